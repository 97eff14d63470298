# docs/policy.md as the man page taskgate-policy(5): the one text, in roff.
#
#	awk -v version=1.2 -f man.awk docs/policy.md
#
# Of Markdown what that page uses: headings, paragraphs, lists, tables, fenced
# blocks, `code`, **strong**, *emphasis* and links. tests/check_policy_page.py
# finds what would get lost.

function escape(text) {
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	gsub(/'/, "\\(aq", text)
	return text
}

# The text up to `mark`, which is taken away with it.
function upto(mark,    at, part) {
	at = index(rest, mark)
	if (at == 0)
		at = length(rest) + 1
	part = substr(rest, 1, at - 1)
	rest = substr(rest, at + length(mark))
	return part
}

function inline(text,    out, at, part) {
	rest = text
	out = ""
	while ((at = match(rest, /`|\*\*|\*|\[[^]]*\]\(|\\\|/)) > 0) {
		out = out escape(substr(rest, 1, at - 1))
		part = substr(rest, at, RLENGTH)
		rest = substr(rest, at + RLENGTH)
		if (part == "`") {
			part = upto("`")
			gsub(/\\\|/, "|", part)
			out = out "\\fB" escape(part) "\\fR"
		} else if (part == "**")
			out = out "\\fB" escape(upto("**")) "\\fR"
		else if (part == "*")
			out = out "\\fI" escape(upto("*")) "\\fR"
		else if (part == "\\|")
			out = out "|"
		else {
			upto(")")
			out = out linked(substr(part, 2, length(part) - 3))
		}
	}
	return out escape(rest)
}

# A link's text may be code.
function linked(text,    saved, out) {
	saved = rest
	out = inline(text)
	rest = saved
	return out
}

# A line of text never begins with what roff takes for a request.
function say(text) {
	print (text ~ /^[.\047]/ ? "\\&" : "") text
}

# The cells of a row; a | within code, or behind a backslash, is none.
function split_row(line, cells,    i, c, n, code) {
	n = 1
	cells[1] = ""
	code = 0
	sub(/^\|/, "", line)
	sub(/\|[ \t]*$/, "", line)
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		if (c == "`")
			code = !code
		if (c == "\\" && substr(line, i + 1, 1) == "|") {
			cells[n] = cells[n] "\\|"
			i++
		} else if (c == "|" && !code)
			cells[++n] = ""
		else
			cells[n] = cells[n] c
	}
	for (i = 1; i <= n; i++)
		gsub(/^[ \t]+|[ \t]+$/, "", cells[i])
	return n
}

function row(line,    cells, n, i, more) {
	n = split_row(line, cells)
	if (cells[1] ~ /^:?--*:?$/)
		return
	if (!in_table) {
		in_table = 1
		for (i = 1; i <= n; i++)
			head[i] = cells[i]
		more = ""
		for (i = 2; i <= n; i++)
			if (head[i] != "")
				more = more (more == "" ? "" : ", ") \
				    escape(head[i])
		if (head[1] == "" || more == "")
			return
		print ".TP"
		say("\\fI" escape(head[1]) "\\fR")
		say("\\fI" more "\\fR")
		return
	}
	print ".TP"
	say(inline(cells[1]))
	if (n > 1 && cells[2] != "")
		say(inline(cells[2]))
	more = ""
	for (i = 3; i <= n; i++)
		if (cells[i] != "")
			more = more (more == "" ? "" : ", ") \
			    (head[i] == "" ? "" : inline(head[i]) " ") \
			    inline(cells[i])
	if (more != "")
		say("(" more ")")
}

BEGIN {
	print ".\\\" -*- coding: utf-8 -*-"
	printf ".TH TASKGATE\\-POLICY 5 \"\" \"taskgate %s\" taskgate\n", version
	print ".SH NAME"
	print "taskgate\\-policy \\- who may run what, within which bounds"
	print ".SH DESCRIPTION"
	fresh = 1
}

/^```/ {
	in_block = !in_block
	print (in_block ? ".PP\n.nf\n.RS" : ".RE\n.fi")
	fresh = 1
	next
}
in_block {
	gsub(/\t/, "    ")
	say(escape($0))
	next
}
/^\|/ {
	row($0)
	fresh = 1
	next
}
{
	in_table = 0
}
/^# / {
	next
}
/^## / {
	print ".SH \"" toupper(inline(substr($0, 4))) "\""
	fresh = 1
	next
}
/^###+ / {
	sub(/^#+ /, "")
	print ".SS \"" inline($0) "\""
	fresh = 1
	next
}
/^[ \t]*$/ {
	fresh = 0
	between = 1
	next
}
/^([0-9]+\.|-) / {
	print ".IP " ($1 == "-" ? "\\(bu" : $1) " 4"
	sub(/^[^ ]+ /, "")
	say(inline($0))
	in_list = 1
	between = fresh = 0
	next
}
/^  +/ && in_list {
	sub(/^ +/, "")
	if (between)
		print ".IP \"\" 4"
	between = 0
	say(inline($0))
	next
}
{
	if (!fresh || between)
		print ".PP"
	in_list = between = 0
	fresh = 1
	say(inline($0))
}

END {
	print ".SH \"SEE ALSO\""
	print ".BR taskgate (1),"
	print ".BR taskgate\\-admin (1),"
	print ".BR taskgate\\-gateway (8),"
	print ".BR taskgate\\-runner (8)"
}
