/* Faults of a disk, put between a program and its C library (LD_PRELOAD). For tests on Linux only.
 *
 * Every operation that changes a file below one folder is counted, from 1. The n-th of them fails (or it and all after
 * it, or the process dies there). All of them can be written to a journal, from which a test rebuilds the disk as it is
 * after a power cut: what was never flushed is gone (tests/io_faults.rs).
 *
 *   AHOY_IO_FOLDER   the folder; without it nothing is touched
 *   AHOY_IO_AT       the operation that fails; 0 or absent = none
 *   AHOY_IO_HOW      once | on (from there on) | kill
 *   AHOY_IO_ERRNO    the error, as a number
 *   AHOY_IO_FIRED    a file that is made when a fault strikes (outside the folder)
 *   AHOY_IO_JOURNAL  the journal (outside the folder)
 *
 * Raw system calls bypass this: rustix uses them for fallocate and statvfs, which carry no promise here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static size_t folder_length;
static long fail_at;
static enum { ONCE, ON, KILL } how;
static int error_number = EIO;
static char fired[PATH_MAX];
static int journal = -1;
static long count;
static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void set_up(void) {
    const char *text = getenv("AHOY_IO_FOLDER");
    if (!text) return;
    if (!realpath(text, folder)) return;
    folder_length = strlen(folder);
    if ((text = getenv("AHOY_IO_AT"))) fail_at = atol(text);
    if ((text = getenv("AHOY_IO_HOW"))) how = !strcmp(text, "on") ? ON : !strcmp(text, "kill") ? KILL : ONCE;
    if ((text = getenv("AHOY_IO_ERRNO"))) error_number = atoi(text);
    if ((text = getenv("AHOY_IO_FIRED"))) snprintf(fired, sizeof fired, "%s", text);
    if ((text = getenv("AHOY_IO_JOURNAL"))) journal = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The path below the folder, or NULL. The folder itself is ".". */
static const char *below(const char *path) {
    if (!folder_length || strncmp(path, folder, folder_length)) return NULL;
    if (!path[folder_length]) return ".";
    return path[folder_length] == '/' ? path + folder_length + 1 : NULL;
}

static const char *of_fd(int fd, char *room) {
    char name[64];
    if (!folder_length) return NULL;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, name, room, PATH_MAX - 1);
    if (length <= 0) return NULL;
    room[length] = 0;
    return below(room);
}

/* A path as it will be below the folder: its parent is resolved, its last part may not exist. */
static const char *of_path(int at, const char *path, char *room) {
    char start[PATH_MAX], parent[PATH_MAX];
    if (!folder_length) return NULL;
    if (path[0] == '/' || at == AT_FDCWD) snprintf(start, sizeof start, "%s", path);
    else {
        char base[PATH_MAX], name[64];
        snprintf(name, sizeof name, "/proc/self/fd/%d", at);
        ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, name, base, sizeof base - 1);
        if (length <= 0) return NULL;
        base[length] = 0;
        if ((size_t)snprintf(start, sizeof start, "%s/%s", base, path) >= sizeof start) return NULL;
    }
    char *slash = strrchr(start, '/');
    const char *last = slash ? slash + 1 : start;
    char last_part[NAME_MAX + 1];
    snprintf(last_part, sizeof last_part, "%s", last);
    if (slash) *slash = 0;
    if (!realpath(slash ? (start[0] ? start : "/") : ".", parent)) return NULL;
    if ((size_t)snprintf(room, PATH_MAX, "%s/%s", parent, last_part) >= PATH_MAX) return NULL;
    return below(room);
}

/* Counts an operation. 0 = go on; else it must fail with that error. The lock is held from here to `after`. */
static int before(void) {
    pthread_mutex_lock(&one);
    count++;
    if (!fail_at || (how == ON ? count < fail_at : count != fail_at)) return 0;
    if (fired[0]) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, fired, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0) syscall(SYS_close, fd);
    }
    if (how == KILL) {
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
        for (;;) pause();
    }
    return error_number;
}

/* Writes what was done to the journal: kind, path, a number, bytes. */
static void after(char kind, const char *path, uint64_t number, const void *bytes, uint64_t length) {
    if (journal >= 0) {
        struct { char kind; uint32_t path; uint64_t number, length; } __attribute__((packed)) head = {kind, (uint32_t)strlen(path), number, length};
        struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)bytes, length}};
        syscall(SYS_writev, journal, parts, bytes ? 3 : 2);
    }
    pthread_mutex_unlock(&one);
}

static void undone(void) { pthread_mutex_unlock(&one); }

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define REFUSE(fault) do { undone(); errno = (fault); return -1; } while (0)

static uint64_t place_of(int fd, size_t done) {
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_APPEND)) {
        struct stat meta;
        return fstat(fd, &meta) ? 0 : (uint64_t)meta.st_size - done;
    }
    return (uint64_t)lseek(fd, 0, SEEK_CUR) - done;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(write);
    char room[PATH_MAX];
    const char *path = of_fd(fd, room);
    if (!path) return real(fd, bytes, length);
    int fault = before();
    if (fault) REFUSE(fault);
    ssize_t done = real(fd, bytes, length);
    if (done > 0) after('w', path, place_of(fd, (size_t)done), bytes, (uint64_t)done);
    else undone();
    return done;
}

#define PWRITE(name, type)                                                                    \
    ssize_t name(int fd, const void *bytes, size_t length, type at) {                         \
        REAL(name);                                                                           \
        char room[PATH_MAX];                                                                  \
        const char *path = of_fd(fd, room);                                                   \
        if (!path) return real(fd, bytes, length, at);                                        \
        int fault = before();                                                                 \
        if (fault) REFUSE(fault);                                                             \
        ssize_t done = real(fd, bytes, length, at);                                           \
        if (done > 0) after('w', path, (uint64_t)at, bytes, (uint64_t)done);                  \
        else undone();                                                                        \
        return done;                                                                          \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int n) {
    REAL(writev);
    char room[PATH_MAX];
    const char *path = of_fd(fd, room);
    if (!path) return real(fd, parts, n);
    int fault = before();
    if (fault) REFUSE(fault);
    ssize_t done = real(fd, parts, n);
    if (done <= 0) {
        undone();
        return done;
    }
    char *all = malloc((size_t)done);
    size_t at = 0;
    for (int i = 0; all && i < n && at < (size_t)done; i++) {
        size_t take = parts[i].iov_len < (size_t)done - at ? parts[i].iov_len : (size_t)done - at;
        memcpy(all + at, parts[i].iov_base, take);
        at += take;
    }
    after('w', path, place_of(fd, (size_t)done), all, (uint64_t)at);
    free(all);
    return done;
}

#define SYNC(name)                                   \
    int name(int fd) {                               \
        REAL(name);                                  \
        char room[PATH_MAX];                         \
        const char *path = of_fd(fd, room);          \
        if (!path) return real(fd);                  \
        int fault = before();                        \
        if (fault) REFUSE(fault);                    \
        int result = real(fd);                       \
        if (!result) after('s', path, 0, NULL, 0);   \
        else undone();                               \
        return result;                               \
    }
SYNC(fsync)
SYNC(fdatasync)

#define CUT(name, type)                                                   \
    int name(int fd, type length) {                                       \
        REAL(name);                                                       \
        char room[PATH_MAX];                                              \
        const char *path = of_fd(fd, room);                               \
        if (!path) return real(fd, length);                               \
        int fault = before();                                             \
        if (fault) REFUSE(fault);                                         \
        int result = real(fd, length);                                    \
        if (!result) after('t', path, (uint64_t)length, NULL, 0);         \
        else undone();                                                    \
        return result;                                                    \
    }
CUT(ftruncate, off_t)
CUT(ftruncate64, off64_t)

static int two_names(int from_at, const char *from, int to_at, const char *to, int (*act)(int, const char *, int, const char *)) {
    char a[PATH_MAX], b[PATH_MAX];
    const char *old_path = of_path(from_at, from, a), *new_path = of_path(to_at, to, b);
    if (!old_path || !new_path) return act(from_at, from, to_at, to);
    int fault = before();
    if (fault) REFUSE(fault);
    int result = act(from_at, from, to_at, to);
    if (!result) after('r', old_path, 0, new_path, strlen(new_path));
    else undone();
    return result;
}

static int move(int from_at, const char *from, int to_at, const char *to) {
    return (int)syscall(SYS_renameat2, from_at, from, to_at, to, 0) ? -1 : 0;
}
int rename(const char *from, const char *to) { return two_names(AT_FDCWD, from, AT_FDCWD, to, move); }
int renameat(int fa, const char *from, int ta, const char *to) { return two_names(fa, from, ta, to, move); }

static int drop(int at, const char *name, int flags) {
    char room[PATH_MAX];
    const char *path = of_path(at, name, room);
    if (!path) return (int)syscall(SYS_unlinkat, at, name, flags);
    int fault = before();
    if (fault) REFUSE(fault);
    int result = (int)syscall(SYS_unlinkat, at, name, flags);
    if (!result) after('u', path, 0, NULL, 0);
    else undone();
    return result;
}
int unlink(const char *name) { return drop(AT_FDCWD, name, 0); }
int unlinkat(int at, const char *name, int flags) { return drop(at, name, flags); }

static int open_any(int at, const char *name, int flags, mode_t mode) {
    char room[PATH_MAX];
    struct stat meta;
    const char *path = flags & (O_CREAT | O_TRUNC) ? of_path(at, name, room) : NULL;
    if (!path) return (int)syscall(SYS_openat, at, name, flags, mode);
    int there = !fstatat(at, name, &meta, 0);
    if (there && !((flags & O_TRUNC) && meta.st_size)) return (int)syscall(SYS_openat, at, name, flags, mode);
    int fault = before();
    if (fault) REFUSE(fault);
    int fd = (int)syscall(SYS_openat, at, name, flags, mode);
    if (fd >= 0) after(there ? 't' : 'c', path, 0, NULL, 0);
    else undone();
    return fd;
}

#define MODE(flags)                                   \
    mode_t mode = 0;                                  \
    if ((flags) & O_CREAT) {                          \
        va_list rest;                                 \
        va_start(rest, flags);                        \
        mode = (mode_t)va_arg(rest, int);             \
        va_end(rest);                                 \
    }
int open(const char *name, int flags, ...) { MODE(flags) return open_any(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return open_any(AT_FDCWD, name, flags | O_LARGEFILE, mode); }
int openat(int at, const char *name, int flags, ...) { MODE(flags) return open_any(at, name, flags, mode); }
int openat64(int at, const char *name, int flags, ...) { MODE(flags) return open_any(at, name, flags | O_LARGEFILE, mode); }

int mkdir(const char *name, mode_t mode) {
    char room[PATH_MAX];
    const char *path = of_path(AT_FDCWD, name, room);
    struct stat meta;
    if (!path || !lstat(name, &meta)) return (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode);
    int fault = before();
    if (fault) REFUSE(fault);
    int result = (int)syscall(SYS_mkdirat, AT_FDCWD, name, mode);
    if (!result) after('d', path, 0, NULL, 0);
    else undone();
    return result;
}
