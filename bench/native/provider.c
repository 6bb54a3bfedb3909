/*
 * A provider that costs next to nothing: HTTP/1.1 on one thread and one epoll. It answers a chat request with JSON, at
 * once or after a delay drawn from a lognormal distribution, or with a paced stream: one event per chunk, one chunk per
 * send, one send per TCP segment. What it sent it counts, and that is what the benchmark divides by.
 *
 * It prints its port, then obeys lines on stdin:
 *   delay <mean µs> <sigma> <seed>    how long JSON answers take from now on (0: none)
 *   stream <events> <interval µs>     how many content events a stream has, and how far apart
 *   stats                             one line of JSON
 * It ends when stdin does. Each content event, and each JSON answer, holds exactly one '~'. The id of a JSON answer is
 * how long it was held, in microseconds, so that a client can tell what was added on the way.
 */
#include "loop.h"

#define READ_BYTES (64 << 10)
#define REQUEST_BYTES (1 << 20)

struct connection {
  struct moment next;
  int fd;
  char *in;
  size_t in_length, in_room;
  char *out; /* What the kernel would not take. */
  size_t out_length;
  uint64_t asked_ns;
  int events_left;
  bool busy, stream, closed;
  const struct frames *frames;
  struct connection *next_closed;
};

static int epoll_fd;
static struct heap moments;
static struct connection *closed_ones;
static double delay_mean_us, delay_sigma;
static int stream_events = 100;
static uint64_t stream_interval_ns = 20000000;
static uint64_t requests, answers, streams_ended, events_sent, cut_off, refused;
static long open_now;

/* The frames of a stream, in each protocol that a gateway may have to translate; chosen by the path that is asked. */
enum { CHAT, MESSAGES, GENERATE, RESPONSES, CONVERSE, COHERE, PROTOCOLS };
static struct frames {
  char event[1024], first[4096], last[4096];
  size_t event_length, first_length, last_length;
} frames[PROTOCOLS];

#define CHUNK_HEAD \
  "{\"id\":\"chatcmpl-benchmark0000000000000001\",\"object\":\"chat.completion.chunk\",\"created\":1764000000," \
  "\"model\":\"bench-model\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_benchmark\",\"choices\":["
#define CANDIDATE_HEAD "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\""
#define CANDIDATE_TAIL \
  "\"usageMetadata\":{\"promptTokenCount\":57,\"candidatesTokenCount\":100,\"totalTokenCount\":157},\"modelVersion\":\"bench-model\",\"responseId\":\"benchmark00000001\"}"

static size_t put_event(char *to, size_t room, const char *name, const char *data) {
  char text[2048];
  size_t length = (size_t)(name == NULL ? snprintf(text, sizeof text, "data: %s\n\n", data) : snprintf(text, sizeof text, "event: %s\ndata: %s\n\n", name, data));
  return (size_t)snprintf(to, room, "%zx\r\n%s\r\n", length, text);
}

static void add_first(struct frames *f, const char *name, const char *data) {
  f->first_length += put_event(f->first + f->first_length, sizeof f->first - f->first_length, name, data);
}

static void add_last(struct frames *f, const char *name, const char *data) {
  f->last_length += put_event(f->last + f->last_length, sizeof f->last - f->last_length, name, data);
}

static void make_chat(struct frames *f) {
  add_first(f, NULL, CHUNK_HEAD "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]}");
  f->event_length = put_event(f->event, sizeof f->event, NULL, CHUNK_HEAD "{\"index\":0,\"delta\":{\"content\":\"~ words\"},\"logprobs\":null,\"finish_reason\":null}]}");
  add_last(f, NULL, CHUNK_HEAD "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}");
  add_last(f, NULL, CHUNK_HEAD "],\"usage\":{\"prompt_tokens\":57,\"completion_tokens\":100,\"total_tokens\":157,\"prompt_tokens_details\":"
                               "{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}");
  add_last(f, NULL, "[DONE]");
}

static void make_messages(struct frames *f) {
  add_first(f, "message_start",
            "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_benchmark\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench-model\",\"content\":[],"
            "\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":57,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1}}}");
  add_first(f, "content_block_start", "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}");
  f->event_length = put_event(f->event, sizeof f->event, "content_block_delta", "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"~ words\"}}");
  add_last(f, "content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}");
  add_last(f, "message_delta", "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":100}}");
  add_last(f, "message_stop", "{\"type\":\"message_stop\"}");
}

static void make_generate(struct frames *f) {
  f->event_length = put_event(f->event, sizeof f->event, NULL, CANDIDATE_HEAD "~ words\"}],\"role\":\"model\"},\"index\":0}]," CANDIDATE_TAIL);
  add_last(f, NULL, CANDIDATE_HEAD "\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}]," CANDIDATE_TAIL);
}

#define ITEM_OF(text) "{\"id\":\"msg_benchmark\",\"type\":\"message\",\"role\":\"assistant\",\"status\":\"completed\",\"content\":[" text "]}"
#define PART_OF(text) "{\"type\":\"output_text\",\"text\":\"" text "\",\"annotations\":[],\"logprobs\":[]}"
#define RESPONSE_OF(status, output, usage) \
  "\"response\":{\"id\":\"resp_benchmark\",\"object\":\"response\",\"created_at\":1764000000,\"status\":\"" status "\",\"error\":null," \
  "\"incomplete_details\":null,\"model\":\"bench-model\",\"output\":[" output "],\"usage\":" usage "}"

static void make_responses(struct frames *f) {
  add_first(f, "response.created", "{\"type\":\"response.created\",\"sequence_number\":0," RESPONSE_OF("in_progress", "", "null") "}");
  add_first(f, "response.in_progress", "{\"type\":\"response.in_progress\",\"sequence_number\":1," RESPONSE_OF("in_progress", "", "null") "}");
  add_first(f, "response.output_item.added",
            "{\"type\":\"response.output_item.added\",\"sequence_number\":2,\"output_index\":0,\"item\":{\"id\":\"msg_benchmark\",\"type\":\"message\","
            "\"role\":\"assistant\",\"status\":\"in_progress\",\"content\":[]}}");
  add_first(f, "response.content_part.added",
            "{\"type\":\"response.content_part.added\",\"sequence_number\":3,\"item_id\":\"msg_benchmark\",\"output_index\":0,\"content_index\":0,\"part\":" PART_OF("") "}");
  f->event_length = put_event(f->event, sizeof f->event, "response.output_text.delta",
                              "{\"type\":\"response.output_text.delta\",\"sequence_number\":104,\"item_id\":\"msg_benchmark\",\"output_index\":0,\"content_index\":0,"
                              "\"delta\":\"~ words\",\"logprobs\":[],\"obfuscation\":\"q8Zr2\"}");
  add_last(f, "response.output_text.done",
           "{\"type\":\"response.output_text.done\",\"sequence_number\":105,\"item_id\":\"msg_benchmark\",\"output_index\":0,\"content_index\":0,\"text\":\"words\",\"logprobs\":[]}");
  add_last(f, "response.content_part.done",
           "{\"type\":\"response.content_part.done\",\"sequence_number\":106,\"item_id\":\"msg_benchmark\",\"output_index\":0,\"content_index\":0,\"part\":" PART_OF("words") "}");
  add_last(f, "response.output_item.done",
           "{\"type\":\"response.output_item.done\",\"sequence_number\":107,\"output_index\":0,\"item\":" ITEM_OF(PART_OF("words")) "}");
  add_last(f, "response.completed",
           "{\"type\":\"response.completed\",\"sequence_number\":108,"
           RESPONSE_OF("completed", ITEM_OF(PART_OF("words")),
                       "{\"input_tokens\":57,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":100,\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":157}") "}");
}

static void make_cohere(struct frames *f) {
  add_first(f, "message-start", "{\"id\":\"benchmark\",\"type\":\"message-start\",\"delta\":{\"message\":{\"role\":\"assistant\",\"content\":[],\"tool_plan\":\"\",\"tool_calls\":[],\"citations\":[]}}}");
  add_first(f, "content-start", "{\"type\":\"content-start\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"type\":\"text\",\"text\":\"\"}}}}");
  f->event_length = put_event(f->event, sizeof f->event, "content-delta", "{\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"~ words\"}}}}");
  add_last(f, "content-end", "{\"type\":\"content-end\",\"index\":0}");
  add_last(f, "message-end",
           "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"billed_units\":{\"input_tokens\":57,\"output_tokens\":100},"
           "\"tokens\":{\"input_tokens\":57,\"output_tokens\":100},\"cached_tokens\":0}}}");
}

/* Of IEEE 802.3, as the binary event stream has it: over its prelude, then over the whole message. */
static uint32_t crc32_of(const unsigned char *bytes, size_t length) {
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < length; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc;
}

static size_t put_u32(unsigned char *to, uint32_t value) {
  for (int i = 0; i < 4; i++) to[i] = (unsigned char)(value >> (24 - 8 * i));
  return 4;
}

static size_t put_header(unsigned char *to, const char *name, const char *value) {
  size_t at = 0, name_length = strlen(name), length = strlen(value);
  to[at++] = (unsigned char)name_length;
  memcpy(to + at, name, name_length);
  at += name_length;
  to[at++] = 7; /* A string, its length in two bytes. */
  to[at++] = (unsigned char)(length >> 8);
  to[at++] = (unsigned char)length;
  memcpy(to + at, value, length);
  return at + length;
}

/* One binary message in a chunk of its own. */
static size_t put_message(char *to, const char *type, const char *payload) {
  unsigned char message[1024];
  size_t at = 12, payload_length = strlen(payload);
  at += put_header(message + at, ":event-type", type);
  at += put_header(message + at, ":content-type", "application/json");
  at += put_header(message + at, ":message-type", "event");
  uint32_t headers = (uint32_t)at - 12;
  memcpy(message + at, payload, payload_length);
  at += payload_length;
  put_u32(message, (uint32_t)at + 4);
  put_u32(message + 4, headers);
  put_u32(message + 8, crc32_of(message, 8));
  at += put_u32(message + at, crc32_of(message, at));
  size_t length = (size_t)sprintf(to, "%zx\r\n", at);
  memcpy(to + length, message, at);
  memcpy(to + length + at, "\r\n", 2);
  return length + at + 2;
}

static void make_converse(struct frames *f) {
  f->first_length += put_message(f->first + f->first_length, "messageStart", "{\"role\":\"assistant\",\"p\":\"abcdefghijk\"}");
  f->event_length = put_message(f->event, "contentBlockDelta", "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"~ words\"},\"p\":\"abcdefghijklmnopq\"}");
  f->last_length += put_message(f->last + f->last_length, "contentBlockStop", "{\"contentBlockIndex\":0,\"p\":\"abcdefg\"}");
  f->last_length += put_message(f->last + f->last_length, "messageStop", "{\"stopReason\":\"end_turn\",\"p\":\"abcdefghijklm\"}");
  f->last_length += put_message(f->last + f->last_length, "metadata",
                                "{\"usage\":{\"inputTokens\":57,\"outputTokens\":100,\"totalTokens\":157},\"metrics\":{\"latencyMs\":2000},\"p\":\"abcdefgh\"}");
}

static void make_frames(void) {
#define HEAD_OF(type) \
  "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\nx-request-id: req_benchmark\r\n\r\n"
  for (int i = 0; i < PROTOCOLS; i++) {
    const char *head = i == CONVERSE ? HEAD_OF("application/vnd.amazon.eventstream") : HEAD_OF("text/event-stream; charset=utf-8");
    frames[i].first_length = strlen(head);
    memcpy(frames[i].first, head, strlen(head));
  }
  make_chat(&frames[CHAT]);
  make_messages(&frames[MESSAGES]);
  make_generate(&frames[GENERATE]);
  make_responses(&frames[RESPONSES]);
  make_converse(&frames[CONVERSE]);
  make_cohere(&frames[COHERE]);
  for (int i = 0; i < PROTOCOLS; i++) {
    memcpy(frames[i].last + frames[i].last_length, "0\r\n\r\n", 5);
    frames[i].last_length += 5;
  }
}

/* By the request line. */
static const struct frames *frames_of(const char *head, size_t length) {
  const char *end = memchr(head, '\r', length);
  size_t line = end == NULL ? length : (size_t)(end - head);
  if (memmem(head, line, "/messages", 9) != NULL) return &frames[MESSAGES];
  if (memmem(head, line, "/responses", 10) != NULL) return &frames[RESPONSES];
  if (memmem(head, line, "/converse-stream", 16) != NULL) return &frames[CONVERSE];
  if (memmem(head, line, "/completions", 12) != NULL) return &frames[CHAT];
  return &frames[memmem(head, line, "/chat", 5) != NULL ? COHERE : GENERATE];
}

static void close_connection(struct connection *c) {
  if (c->closed) return;
  if (c->busy) cut_off++;
  c->closed = true;
  heap_remove(&moments, &c->next);
  close(c->fd);
  open_now--;
  c->next_closed = closed_ones; /* Freed when no event of this round can name it any more. */
  closed_ones = c;
}

static void send_bytes(struct connection *c, const char *bytes, size_t length) {
  if (c->closed) return;
  if (c->out_length == 0) {
    ssize_t n = send(c->fd, bytes, length, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
      close_connection(c);
      return;
    }
    if (n < 0) n = 0;
    if ((size_t)n == length) return;
    bytes += n;
    length -= (size_t)n;
    watch(epoll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN | EPOLLOUT, c);
  }
  c->out = realloc(c->out, c->out_length + length);
  if (c->out == NULL) die("memory");
  memcpy(c->out + c->out_length, bytes, length);
  c->out_length += length;
}

static void send_waiting(struct connection *c) {
  ssize_t n = send(c->fd, c->out, c->out_length, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN) {
    close_connection(c);
    return;
  }
  if (n <= 0) return;
  memmove(c->out, c->out + n, c->out_length - (size_t)n);
  c->out_length -= (size_t)n;
  if (c->out_length == 0) watch(epoll_fd, EPOLL_CTL_MOD, c->fd, EPOLLIN, c);
}

static void send_answer(struct connection *c) {
  char body[1024], whole[1536];
  unsigned long long held_us = (now_ns() - c->asked_ns) / 1000;
  int length = snprintf(body, sizeof body,
      "{\"id\":\"chatcmpl-%010llu\",\"object\":\"chat.completion\",\"created\":1764000000,\"model\":\"bench-model\",\"choices\":[{\"index\":0,"
      "\"message\":{\"role\":\"assistant\",\"content\":\"~ A spillway lets the overflow go where it does no harm, so that the water never goes "
      "over the wall of the dam; what is paid for fills first, and the rest is led aside.\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":57,"
      "\"completion_tokens\":48,\"total_tokens\":105,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
      "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}},\"system_fingerprint\":\"fp_benchmark\"}",
      held_us);
  int total = snprintf(whole, sizeof whole, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nx-request-id: req_benchmark\r\n\r\n%s", length, body);
  c->busy = false;
  answers++;
  send_bytes(c, whole, (size_t)total);
}

static void on_moment(struct connection *c) {
  if (!c->stream) {
    send_answer(c);
    return;
  }
  if (c->events_left > 0) {
    c->events_left--;
    events_sent++;
    /* From the moment it was due and not from now: the rate holds. */
    heap_set(&moments, &c->next, c->next.due_ns + stream_interval_ns);
    send_bytes(c, c->frames->event, c->frames->event_length);
    return;
  }
  c->busy = false;
  streams_ended++;
  send_bytes(c, c->frames->last, c->frames->last_length);
}

static void start_answer(struct connection *c, const char *body, size_t length) {
  requests++;
  c->busy = true;
  c->asked_ns = now_ns();
  /* Two protocols ask for a stream by their path. */
  c->stream = c->frames == &frames[GENERATE] || c->frames == &frames[CONVERSE] || memmem(body, length, "\"stream\":true", 13) != NULL;
  if (c->stream) {
    c->events_left = stream_events;
    /* Somewhere within the interval, so that streams which began together do not tick together. */
    heap_set(&moments, &c->next, c->asked_ns + (uint64_t)(chance() * (double)stream_interval_ns));
    send_bytes(c, c->frames->first, c->frames->first_length);
    return;
  }
  if (delay_mean_us <= 0) {
    send_answer(c);
    return;
  }
  double mu = log(delay_mean_us) - delay_sigma * delay_sigma / 2;
  heap_set(&moments, &c->next, c->asked_ns + (uint64_t)(1000.0 * exp(mu + delay_sigma * chance_normal())));
}

/* The value of Content-Length; -1 where the request has none or is chunked. */
static long content_length(const char *head, size_t length) {
  for (const char *at = head; (at = memchr(at, '\n', length - (size_t)(at - head))) != NULL;) {
    at++;
    if (strncasecmp(at, "content-length:", 15) == 0) return strtol(at + 15, NULL, 10);
  }
  return -1;
}

static void refuse(struct connection *c, const char *status) {
  char answer[128];
  refused++;
  send_bytes(c, answer, (size_t)snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status));
  close_connection(c);
}

static void read_request(struct connection *c) {
  char *end = memmem(c->in, c->in_length, "\r\n\r\n", 4);
  if (end == NULL) return;
  size_t head = (size_t)(end - c->in) + 4;
  long body = content_length(c->in, head);
  if (body < 0 || body > REQUEST_BYTES) {
    refuse(c, "411 Length Required");
  } else if (c->busy || c->in_length > head + (size_t)body) {
    refuse(c, "400 Pipelining");
  } else if (c->in_length == head + (size_t)body) {
    c->in_length = 0;
    c->frames = frames_of(c->in, head);
    start_answer(c, c->in + head, (size_t)body);
  }
}

static void on_readable(struct connection *c) {
  if (c->in_room - c->in_length < READ_BYTES) {
    c->in_room = c->in_length + READ_BYTES;
    c->in = realloc(c->in, c->in_room);
    if (c->in == NULL) die("memory");
  }
  ssize_t n = recv(c->fd, c->in + c->in_length, c->in_room - c->in_length, 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    close_connection(c);
    return;
  }
  c->in_length += (size_t)n;
  read_request(c);
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    no_delay(fd);
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) die("memory");
    c->fd = fd;
    c->next.heap_at = -1;
    c->next.owner = c;
    open_now++;
    watch(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, c);
  }
}

static void obey(const char *line) {
  double mean, sigma;
  unsigned long long seed, interval;
  int events;
  if (sscanf(line, "delay %lf %lf %llu", &mean, &sigma, &seed) == 3) {
    delay_mean_us = mean;
    delay_sigma = sigma;
    chance_seed(seed);
    printf("{\"ok\":true}\n");
  } else if (sscanf(line, "stream %d %llu", &events, &interval) == 2) {
    stream_events = events;
    stream_interval_ns = interval * 1000;
    printf("{\"ok\":true}\n");
  } else if (strcmp(line, "stats") == 0) {
    printf("{\"requests\":%llu,\"answers\":%llu,\"streams\":%llu,\"events\":%llu,\"cutOff\":%llu,\"refused\":%llu,\"open\":%ld}\n",
           (unsigned long long)requests, (unsigned long long)answers, (unsigned long long)streams_ended,
           (unsigned long long)events_sent, (unsigned long long)cut_off, (unsigned long long)refused, open_now);
  } else {
    printf("{\"ok\":false}\n");
  }
  fflush(stdout);
}

static void read_commands(void) {
  static char text[4096];
  static size_t length;
  ssize_t n = read(STDIN_FILENO, text + length, sizeof text - 1 - length);
  if (n <= 0) exit(0);
  length += (size_t)n;
  text[length] = 0;
  char *start = text;
  for (char *end; (end = strchr(start, '\n')) != NULL; start = end + 1) {
    *end = 0;
    obey(start);
  }
  length = strlen(start);
  memmove(text, start, length + 1);
}

int main(void) {
  prepare_process();
  make_frames();
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0) die("listen");
  getsockname(listener, (struct sockaddr *)&address, &size);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  static int listening, commands;
  watch(epoll_fd, EPOLL_CTL_ADD, listener, EPOLLIN, &listening);
  watch(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN, &commands);
  printf("{\"port\":%d,\"eventBytes\":%zu}\n", ntohs(address.sin_port), frames[CHAT].event_length);
  fflush(stdout);

  for (struct epoll_event events[256];;) {
    int n = wait_until(epoll_fd, events, 256, moments.length > 0 ? moments.items[0]->due_ns : NEVER);
    for (int i = 0; i < n; i++) {
      if (events[i].data.ptr == &listening) accept_all(listener);
      else if (events[i].data.ptr == &commands) read_commands();
      else {
        struct connection *c = events[i].data.ptr;
        if (!c->closed && (events[i].events & EPOLLOUT)) send_waiting(c);
        if (!c->closed && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) on_readable(c);
      }
    }
    uint64_t at = now_ns();
    for (struct moment *m; (m = heap_due(&moments, at)) != NULL;) on_moment(m->owner);
    while (closed_ones != NULL) {
      struct connection *c = closed_ones;
      closed_ones = c->next_closed;
      free(c->in);
      free(c->out);
      free(c);
    }
  }
}
