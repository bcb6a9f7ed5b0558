/*
 * The workload of a lab guest, its first and only process: answers the network, reports counters.
 *
 *   UDP 7    echo
 *   TCP 80   GET /            a small page; connections are kept open
 *            GET /counters    everything that was counted, as JSON
 *            GET /verify      check all memory and the whole disk ring now; counted in "sweeps"
 *            GET /set?dirty_rate=BYTES_PER_S&working_set=BYTES&plant=memory|disk&reset_gap=1
 *
 * One thread, one epoll loop for all of it; memory.c and disk.c have threads of their own. The
 * power button switches the guest off. Nothing here writes a log: the console stays quiet, since
 * each line of it costs an emulated serial port 20 ms.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define CONNECTIONS_MAX 128
#define INPUTS_MAX 8
/* Each wake-up costs an emulated processor half a thousandth of its time. */
#define TICK_NS 50000000ULL

struct connection {
	int fd;
	size_t used;
	char text[2048];
};

static struct connection connections[CONNECTIONS_MAX];
static int poller = -1, echo = -1, listener = -1, ticker = -1, inputs[INPUTS_MAX];
static uint64_t started_ns, last_tick_ns, tick_gap_ns_max, echoes, requests;
static const char *guest_name = "guest";

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

void sleep_until_ns(uint64_t when_ns)
{
	struct timespec when = {(time_t)(when_ns / 1000000000ULL), (long)(when_ns % 1000000000ULL)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
}

static void watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static int listen_on(int type, uint16_t port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0) {
		perror("bind");
		exit(1);
	}
	if (type == SOCK_STREAM)
		listen(fd, 64);
	watch(fd);
	return fd;
}

static void answer_echoes(void)
{
	char packet[1500];
	struct sockaddr_in from;

	for (;;) {
		socklen_t length = sizeof from;
		ssize_t size = recvfrom(echo, packet, sizeof packet, 0, (struct sockaddr *)&from,
					&length);
		if (size < 0)
			return;
		sendto(echo, packet, (size_t)size, 0, (struct sockaddr *)&from, length);
		echoes++;
	}
}

static void accept_connections(void)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), yes = 1, slot;

		if (fd < 0)
			return;
		for (slot = 0; slot < CONNECTIONS_MAX; slot++)
			if (connections[slot].fd < 0)
				break;
		if (slot == CONNECTIONS_MAX) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
		connections[slot].fd = fd;
		connections[slot].used = 0;
		watch(fd);
	}
}

static int write_counters(char *body, size_t room)
{
	uint64_t moment_ns = now_ns();

	return snprintf(
		body, room,
		"{\"name\":\"%s\",\"uptime_s\":%.3f,\"monotonic_s\":%.6f,\"tick_gap_s_max\":%.6f,"
		"\"echoes\":%lu,\"requests\":%lu,"
		"\"memory\":{\"dirty_bytes_per_s\":%lu,\"working_set_bytes\":%lu,"
		"\"wanted_working_set_bytes\":%lu,\"refused\":%lu,\"pages_written\":%lu,"
		"\"pages_checked\":%lu,\"corruptions\":%lu,\"sweeps\":%lu},"
		"\"disk\":{\"present\":%s,\"first_sequence\":%lu,\"sequence\":%lu,"
		"\"records_checked\":%lu,\"corruptions\":%lu,\"io_errors\":%lu,\"sweeps\":%lu,"
		"\"write_s_max\":%.6f}}\n",
		guest_name, (double)(moment_ns - started_ns) / 1e9, (double)moment_ns / 1e9,
		(double)tick_gap_ns_max / 1e9, echoes, requests, memory.wanted_rate_bytes_per_s,
		memory.set_bytes, memory.wanted_set_bytes, memory.refused, memory.pages_written,
		memory.pages_checked, memory.corruptions, memory.sweeps,
		disk.present ? "true" : "false", disk.first_sequence, disk.sequence,
		disk.records_checked, disk.corruptions, disk.io_errors, disk.sweeps,
		(double)disk.write_ns_max / 1e9);
}

/* Apply one key=value; 0 when it is not understood. */
static int apply(const char *key, const char *value)
{
	if (strcmp(key, "dirty_rate") == 0)
		memory.wanted_rate_bytes_per_s = strtoull(value, NULL, 10);
	else if (strcmp(key, "working_set") == 0)
		memory.wanted_set_bytes = strtoull(value, NULL, 10);
	else if (strcmp(key, "plant") == 0 && strcmp(value, "memory") == 0)
		memory.wanted_plants++;
	else if (strcmp(key, "plant") == 0 && strcmp(value, "disk") == 0)
		disk.wanted_plants++;
	else if (strcmp(key, "reset_gap") == 0)
		tick_gap_ns_max = 0;
	else
		return 0;
	return 1;
}

static int apply_query(char *query)
{
	char *rest = NULL;

	for (char *pair = strtok_r(query, "&", &rest); pair; pair = strtok_r(NULL, "&", &rest)) {
		char *value = strchr(pair, '=');
		if (value == NULL)
			return 0;
		*value++ = '\0';
		if (!apply(pair, value))
			return 0;
	}
	return 1;
}

static int respond(int fd, char *request)
{
	char body[1536], answer[2048], path[512] = "";
	const char *status = "200 OK", *type = "application/json";
	int length;

	requests++;
	if (sscanf(request, "GET %511s", path) != 1) {
		status = "405 Method Not Allowed";
		length = snprintf(body, sizeof body, "{\"error\":\"only GET\"}\n");
	} else if (strcmp(path, "/") == 0) {
		type = "text/plain";
		length = snprintf(body, sizeof body, "%s is here\n", guest_name);
	} else if (strcmp(path, "/counters") == 0) {
		length = write_counters(body, sizeof body);
	} else if (strcmp(path, "/verify") == 0) {
		memory.wanted_sweeps++;
		disk.wanted_sweeps++;
		length = snprintf(body, sizeof body, "{\"memory_sweep\":%lu,\"disk_sweep\":%lu}\n",
				  memory.wanted_sweeps, disk.wanted_sweeps);
	} else if (strncmp(path, "/set?", 5) == 0 && apply_query(path + 5)) {
		length = write_counters(body, sizeof body);
	} else {
		status = "404 Not Found";
		length = snprintf(body, sizeof body, "{\"error\":\"unknown path or setting\"}\n");
	}
	length = snprintf(answer, sizeof answer,
			  "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", status,
			  type, length, body);
	return write(fd, answer, (size_t)length) == length;
}

static void drop(struct connection *connection)
{
	close(connection->fd);
	connection->fd = -1;
}

static void serve(struct connection *connection)
{
	ssize_t size = read(connection->fd, connection->text + connection->used,
			    sizeof connection->text - 1 - connection->used);
	char *end;

	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (size <= 0) {
		drop(connection);
		return;
	}
	connection->used += (size_t)size;
	connection->text[connection->used] = '\0';
	while ((end = strstr(connection->text, "\r\n\r\n")) != NULL) {
		size_t length = (size_t)(end + 4 - connection->text);
		int closing;

		*end = '\0';
		closing = strcasestr(connection->text, "connection: close") != NULL;
		if (!respond(connection->fd, connection->text) || closing) {
			drop(connection);
			return;
		}
		connection->used -= length;
		memmove(connection->text, end + 4, connection->used + 1);
	}
	if (connection->used == sizeof connection->text - 1)
		drop(connection); /* no request is this long */
}

static void tick(void)
{
	uint64_t expirations, moment_ns = now_ns();

	if (read(ticker, &expirations, sizeof expirations) < 0)
		return;
	if (last_tick_ns != 0 && moment_ns - last_tick_ns > tick_gap_ns_max)
		tick_gap_ns_max = moment_ns - last_tick_ns;
	last_tick_ns = moment_ns;
}

static void start_ticker(void)
{
	struct itimerspec every = {.it_interval.tv_nsec = TICK_NS, .it_value.tv_nsec = TICK_NS};

	ticker = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	timerfd_settime(ticker, 0, &every, NULL);
	watch(ticker);
}

/* The power button is one of the inputs; which one depends on the machine type. */
static void open_inputs(void)
{
	char path[32];

	for (int i = 0; i < INPUTS_MAX; i++) {
		snprintf(path, sizeof path, "/dev/input/event%d", i);
		inputs[i] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (inputs[i] >= 0)
			watch(inputs[i]);
	}
}

static int is_input(int fd)
{
	for (int i = 0; i < INPUTS_MAX; i++)
		if (inputs[i] == fd)
			return 1;
	return 0;
}

static void look_at_button(int fd)
{
	struct input_event event;

	while (read(fd, &event, sizeof event) == sizeof event)
		if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) {
			sync();
			reboot(RB_POWER_OFF);
		}
}

static void configure(int count, char **settings)
{
	for (int i = 1; i < count; i++) {
		char *value = strchr(settings[i], '=');
		if (value == NULL)
			continue;
		*value++ = '\0';
		if (strcmp(settings[i], "name") == 0)
			guest_name = value;
		else
			apply(settings[i], value);
	}
}

int main(int count, char **settings)
{
	struct epoll_event events[64];
	pthread_t thread;

	started_ns = now_ns();
	configure(count, settings);
	for (int slot = 0; slot < CONNECTIONS_MAX; slot++)
		connections[slot].fd = -1;
	poller = epoll_create1(EPOLL_CLOEXEC);
	echo = listen_on(SOCK_DGRAM, 7);
	listener = listen_on(SOCK_STREAM, 80);
	open_inputs();
	start_ticker();
	pthread_create(&thread, NULL, memory_run, NULL);
	pthread_create(&thread, NULL, disk_run, NULL);
	/* The one line that the lab waits for when it asks whether a guest boots at all. */
	printf("godwit-guest-ready\n");
	fflush(stdout);
	for (;;) {
		int ready = epoll_wait(poller, events, 64, -1);
		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;
			if (fd == echo)
				answer_echoes();
			else if (fd == listener)
				accept_connections();
			else if (fd == ticker)
				tick();
			else if (is_input(fd))
				look_at_button(fd);
			else
				for (int slot = 0; slot < CONNECTIONS_MAX; slot++)
					if (connections[slot].fd == fd) {
						serve(&connections[slot]);
						break;
					}
		}
	}
}
