/*
 * The C library's own resolver, as programs in pods use it: `4 NAME`, `6 NAME`, `any NAME` (both
 * families at once) or `ptr ADDRESS`. A line for each address or the name; no line when there is none; status 1
 * with the error's words when nobody could say.
 */

/* For EAI_NODATA, which is glibc's own. */
#define _GNU_SOURCE
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int fail(int error) {
  fprintf(stderr, "%s\n", gai_strerror(error));
  return 1;
}

static int is_nothing(int error) {
#ifdef EAI_NODATA
  if (error == EAI_NODATA) return 1;
#endif
  return error == EAI_NONAME;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int is_pointer = strcmp(argv[1], "ptr") == 0;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  if (is_pointer) hints.ai_flags = AI_NUMERICHOST;
  else if (argv[1][0] != 'a') hints.ai_family = argv[1][0] == '6' ? AF_INET6 : AF_INET;
  struct addrinfo *found;
  int error = getaddrinfo(argv[2], NULL, &hints, &found);
  if (is_nothing(error)) return 0;
  if (error != 0) return fail(error);
  for (struct addrinfo *each = found; each != NULL; each = each->ai_next) {
    char text[NI_MAXHOST];
    int flags = is_pointer ? NI_NAMEREQD : NI_NUMERICHOST;
    error = getnameinfo(each->ai_addr, each->ai_addrlen, text, sizeof text, NULL, 0, flags);
    if (is_pointer && is_nothing(error)) return 0;
    if (error != 0) return fail(error);
    puts(text);
    if (is_pointer) break;
  }
  freeaddrinfo(found);
  return 0;
}
