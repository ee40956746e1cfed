// The load client of the gateway's benchmarks: HTTP/1.1 over loopback, open loop at a constant rate or closed loop.
//
//     load_client PORT PATH BODIES SECONDS CONNECTIONS RATE GRACE_S PREFIX [HEADER...]
//
// BODIES: one request body a line, used in turn. RATE 0: closed loop, each connection asks as soon as it was answered.
// Else request i is due at start + i / RATE, whatever became of the others; one that finds no free connection waits
// here, and its latency is counted from when it was due (so a server that stalls cannot hide it). A lost connection is
// opened again by the next request. After the last request, or SIGTERM, it waits GRACE_S for answers.
//
// stdout, one line a request: number, due, sent and ended in microseconds of CLOCK_MONOTONIC, status, and whether a
// Retry-After came along. Status 0: the connection ended before the whole answer; -1: no answer within GRACE_S; -2: no
// connection. Each request carries x-request-id: PREFIX-number.
//
// Built by load_client.py. One thread, no allocation while it runs: some 4 microseconds of CPU a request beyond the
// kernel's work.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 18, MOST_CONNECTIONS = 4096, MOST_BODIES = 1 << 16 };
enum { CLOSED, IDLE, BUSY };

typedef struct {
    int64_t due, sent, ended;
    int32_t status, retry_after;
} Request;

typedef struct {
    int fd, state;
    long request;
    size_t have;
    char *in;
} Connection;

static Request *requests;
static long made, most;
static Connection *connections;
static int *idle, first_idle, idle_count, connection_count, poller;
static char *bodies[MOST_BODIES], head[8192], out[BUFFER];
static int body_count, port, busy;
static const char *prefix;
static volatile sig_atomic_t stopping;

static void stop(int number) {
    (void)number;
    stopping = 1;
}

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what) {
    fprintf(stderr, "load_client: %s (%s)\n", what, strerror(errno));
    exit(2);
}

// Free connections take turns, so that none of them lies idle until the server closes it.
static void release(int number) { idle[(first_idle + idle_count++) % connection_count] = number; }

static void finish(Connection *c, int status, int retry_after) {
    Request *r = &requests[c->request];
    r->ended = now_us();
    r->status = status;
    r->retry_after = retry_after;
    busy--;
    c->state = status > 0 ? IDLE : CLOSED;
    if (status <= 0 && c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
    release((int)(c - connections));
}

static int open_connection(Connection *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) die("socket");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        close(fd);
        return 0;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)(c - connections)};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
    c->fd = fd;
    c->state = IDLE;
    return 1;
}

static void send_next(int64_t due) {
    Connection *c = &connections[idle[first_idle]];
    first_idle = (first_idle + 1) % connection_count;
    idle_count--;
    c->request = made;
    c->have = 0;
    busy++;
    Request *r = &requests[made];
    const char *body = bodies[made % body_count];
    r->due = due;
    made++;
    int reused = c->state == IDLE;
    for (;;) {
        if (c->state == CLOSED && !open_connection(c)) {
            r->sent = now_us();
            finish(c, -2, 0);
            return;
        }
        int length = snprintf(out, sizeof out, "%sx-request-id: %s-%ld\r\ncontent-length: %zu\r\n\r\n%s", head, prefix,
                              c->request, strlen(body), body);
        if (length >= (int)sizeof out) die("a body is too long");
        r->sent = now_us();
        if (write(c->fd, out, (size_t)length) == length) break;
        close(c->fd);  // a connection that the server had closed meanwhile
        c->fd = -1;
        c->state = CLOSED;
        if (!reused) {
            finish(c, 0, 0);
            return;
        }
        reused = 0;
    }
    c->state = BUSY;
}

// The value of a header in a head that ends with an empty line; NULL: it is not there.
static const char *header(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(text, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, length) && line[2 + length] == ':') return line + 3 + length;
    return NULL;
}

static void receive(Connection *c) {
    for (;;) {
        ssize_t got = read(c->fd, c->in + c->have, BUFFER - 1 - c->have);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            if (c->state == BUSY) {
                finish(c, 0, 0);
            } else {  // closed while it was idle: opened again when it is needed
                close(c->fd);
                c->fd = -1;
                c->state = CLOSED;
            }
            return;
        }
        if (c->state != BUSY) continue;
        c->have += (size_t)got;
        c->in[c->have] = 0;
        char *end = strstr(c->in, "\r\n\r\n");
        if (!end) continue;
        const char *length = header(c->in, "content-length");
        if (!length) die("an answer without content-length");
        size_t whole = (size_t)(end + 4 - c->in) + strtoul(length, NULL, 10);
        if (whole > BUFFER - 1) die("an answer is too long");
        if (c->have < whole) continue;
        finish(c, atoi(c->in + 9), header(c->in, "retry-after") != NULL);
        return;
    }
}

static void read_bodies(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) die(path);
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    while (body_count < MOST_BODIES && (length = getline(&line, &size, file)) > 0) {
        if (line[length - 1] == '\n') line[length - 1] = 0;
        bodies[body_count++] = strdup(line);
    }
    fclose(file);
    if (!body_count) die("no bodies");
}

int main(int argc, char **argv) {
    if (argc < 9) die("usage: load_client PORT PATH BODIES SECONDS CONNECTIONS RATE GRACE_S PREFIX [HEADER...]");
    port = atoi(argv[1]);
    read_bodies(argv[3]);
    double seconds = atof(argv[4]), rate = atof(argv[6]), grace_s = atof(argv[7]);
    connection_count = atoi(argv[5]);
    prefix = argv[8];
    if (connection_count < 1 || connection_count > MOST_CONNECTIONS) die("CONNECTIONS is out of range");
    int used = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n",
                        argv[2]);
    for (int i = 9; i < argc; i++) used += snprintf(head + used, sizeof head - (size_t)used, "%s\r\n", argv[i]);
    most = rate > 0 ? (long)(rate * seconds) : 50000 * (long)(seconds + 1);
    if (most > 50000000) most = 50000000;
    requests = calloc((size_t)most + 1, sizeof *requests);
    connections = calloc((size_t)connection_count, sizeof *connections);
    idle = calloc((size_t)connection_count, sizeof *idle);
    if (!requests || !connections || !idle) die("memory");
    poller = epoll_create1(0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = UINT32_MAX}, events[256];
    if (poller < 0 || timer < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event) < 0) die("epoll");
    prctl(PR_SET_TIMERSLACK, 1);
    for (int i = 0; i < connection_count; i++) {
        connections[i].fd = -1;
        connections[i].in = malloc(BUFFER);
        open_connection(&connections[i]);
        usleep(1000);  // so that a server with several workers has them spread over all
        release(i);
    }
    int64_t start = now_us(), end = start + (int64_t)(seconds * 1e6), give_up = end + (int64_t)(grace_s * 1e6);
    signal(SIGTERM, stop);
    for (;;) {
        int64_t now = now_us(), wake;
        if (stopping == 1) {
            stopping = 2;
            end = now;
            give_up = now + (int64_t)(grace_s * 1e6);
            most = made;
        }
        wake = give_up;
        if (rate > 0) {
            long due = (long)((double)(now - start) * rate / 1e6) + 1;
            if (due > most) due = most;
            while (made < due && idle_count) send_next(start + (int64_t)((double)made * 1e6 / rate));
            if (made < most && made >= due) wake = start + (int64_t)((double)made * 1e6 / rate);
            if (made == most && !busy) break;
        } else if (now < end) {
            int refused = 0;
            while (idle_count && made < most && !refused) {
                send_next(now_us());
                refused = requests[made - 1].status == -2;
            }
            wake = refused ? now + 10000 : end;
        } else if (!busy) {
            break;
        }
        if (now >= give_up) break;
        struct itimerspec at = {.it_value = {wake / 1000000, wake % 1000000 * 1000}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        int count = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < count; i++) {
            uint64_t ticks;
            if (events[i].data.u32 == UINT32_MAX) {
                if (read(timer, &ticks, sizeof ticks) < 0 && errno != EAGAIN) die("timer");
            } else if (connections[events[i].data.u32].fd >= 0) {
                receive(&connections[events[i].data.u32]);
            }
        }
    }
    for (int i = 0; i < connection_count; i++)
        if (connections[i].state == BUSY) finish(&connections[i], -1, 0);
    for (long i = 0; i < made; i++)
        printf("%ld %lld %lld %lld %d %d\n", i, (long long)requests[i].due, (long long)requests[i].sent,
               (long long)requests[i].ended, requests[i].status, requests[i].retry_after);
    return 0;
}
