/*
 * One transfer from the inside. Used by http.c and http_transfer.c alone.
 */
#ifndef CLIENT_HTTP_TRANSFER_H
#define CLIENT_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "client/http.h"
#include "lib/digest.h"

struct transfer {
	CURL *easy;
	CURLM *multi;
	struct curl_slist *fields;
	bool (*write)(void *arg, const char *data, size_t len);
	ssize_t (*source)(void *arg, char *data, size_t room);
	void *arg;
	struct buffer body;
	char error[CURL_ERROR_SIZE];
	char sentence[CURL_ERROR_SIZE + 128];
	CURLcode code;
	bool done;

	/* Of the reply's head. */
	int status;
	int retry_after_s;
	int64_t date_s;
	bool has_next;
	char scope[64];
	bool has_digest;
	uint8_t digest[SHA256_BYTES];
};

/* Forgets the head: before the first, and with each status line. */
void http_transfer_reset(struct transfer *transfer);
/* libcurl's callbacks; `arg` is the transfer. */
size_t
http_transfer_take_field(char *data, size_t size, size_t count, void *arg);
size_t
http_transfer_take_body(char *data, size_t size, size_t count, void *arg);
size_t
http_transfer_give_body(char *data, size_t size, size_t count, void *arg);

#endif
