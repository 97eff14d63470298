# Writes FILE as a C array called NAME to OUTPUT.
file(READ ${FILE} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
file(WRITE ${OUTPUT} "#include \"gateway/openapi.h\"\n"
	"const unsigned char ${NAME}[] = {${hex}};\n"
	"const size_t ${NAME}_len = ${bytes};\n")
