/*
 * How long a core stands still: reads the clock without pause, and counts the gaps. What a hypervisor or another process
 * takes of a core is in every latency that is measured on it.
 *
 * Usage: stalls SECONDS     Prints, as JSON, gaps of over 1, 2 and 4 ms, and the longest in ms. Pin it to a core.
 */
#define _GNU_SOURCE
#include "message.h"

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 3;
  uint64_t last = now_ns(), end = last + (uint64_t)(seconds * 1e9), longest = 0;
  unsigned over[3] = {0};
  while (last < end) {
    uint64_t now = now_ns(), gap = now - last;
    last = now;
    if (gap > longest) longest = gap;
    for (int i = 0; i < 3; i++) over[i] += gap > (1000000u << i);
  }
  printf("{\"over1\":%u,\"over2\":%u,\"over4\":%u,\"longestMs\":%.2f}\n", over[0], over[1], over[2], (double)longest / 1e6);
  return 0;
}
