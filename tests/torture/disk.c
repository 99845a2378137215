/* A disk that fails on order: preloaded into a process, it counts the file operations below one folder and, once armed,
   records them, kills the process at the n-th, or lets them fail from the n-th on. `disk.py` builds and drives it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OFF, RECORD, KILL, TEAR, FAIL };
static int mode = OFF, fail_with = 0, log_fd = -1, only_syncs = 0;
static long fail_at = 0, count = 0, failed = 0;
static char root[PATH_MAX] = "";
static size_t root_length = 0;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static ssize_t raw_write(int fd, const void *data, size_t size) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return real(fd, data, size);
}

/* mode, n, errno, folder, descriptor of the log; syncs: only fsync and fdatasync fail */
void disk_arm(int how, long n, int error, const char *folder, int log, int syncs) {
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    fail_at = n, fail_with = error, log_fd = log, count = 0, failed = 0, only_syncs = syncs;
    mode = how;
}
long disk_count(void) { return count; }
long disk_failed(void) { return failed; }

static int is_ours(const char *path) {
    return path && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int path_of(int fd, char *path) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_ours(path);
}

static const char *full(int folder, const char *name, char *path) {
    if (!name) return "";
    if (name[0] == '/') return name;
    char start[PATH_MAX] = "";
    if (folder == AT_FDCWD) {
        if (!getcwd(start, sizeof start)) return name;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, start, sizeof start - 1);
        if (length < 0) return name;
        start[length] = 0;
    }
    snprintf(path, PATH_MAX, "%.2000s/%.2000s", start, name);
    return path;
}

static void record(const char *what, const char *path, const char *other, long inode, long offset, const void *data, long size) {
    if (mode != RECORD || log_fd < 0) return;
    char head[2 * PATH_MAX];
    int length = snprintf(head, sizeof head, "%s\t%s\t%s\t%ld\t%ld\t%ld\n", what, path, other, inode, offset, size);
    pthread_mutex_lock(&one_at_a_time);
    raw_write(log_fd, head, length);
    for (long done = 0; data && done < size;) {
        ssize_t written = raw_write(log_fd, (const char *)data + done, size - done);
        if (written <= 0) abort();
        done += written;
    }
    pthread_mutex_unlock(&one_at_a_time);
}

/* Called before each operation of ours: 0 go on, 1 the operation fails with errno, 2 only a part of it is done, then death */
static int counted(int is_sync, int has_data) {
    if (mode == OFF) return 0;
    long number = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if ((mode == KILL || (mode == TEAR && !has_data)) && number == fail_at) kill(getpid(), SIGKILL);
    if (mode == TEAR && has_data && number >= fail_at) return 2;
    if (mode == FAIL && number >= fail_at && (!only_syncs || is_sync)) {
        __atomic_add_fetch(&failed, 1, __ATOMIC_SEQ_CST);
        errno = fail_with;
        return 1;
    }
    return 0;
}

static long inode_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? -1 : (long)found.st_ino;
}

static long place_of(int fd) {
    struct stat found;
    if (fcntl(fd, F_GETFL) & O_APPEND) return fstat(fd, &found) ? 0 : (long)found.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

/* How much of a write is there when its process is killed in the middle: the kernel copies page by page, and dies between. */
static size_t torn(long place, size_t size) {
    long cut = (place + (long)size / 2) / 4096 * 4096;
    return cut > place ? (size_t)(cut - place) : 0;
}

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    if (mode == OFF || !path_of(fd, path)) return raw_write(fd, data, size);
    int fate = counted(0, 1);
    if (fate == 1) return -1;
    long place = place_of(fd);
    if (fate == 2) { raw_write(fd, data, torn(place, size)); kill(getpid(), SIGKILL); }
    ssize_t done = raw_write(fd, data, size);
    if (done > 0) record("write", path, "", inode_of(fd), place, data, done);
    return done;
}

#define PWRITE(name, type) \
    ssize_t name(int fd, const void *data, size_t size, type place) { \
        REAL(ssize_t, #name, int, const void *, size_t, type); \
        char path[PATH_MAX]; \
        if (mode == OFF || !path_of(fd, path)) return real(fd, data, size, place); \
        int fate = counted(0, 1); \
        if (fate == 1) return -1; \
        if (fate == 2) { real(fd, data, torn(place, size), place); kill(getpid(), SIGKILL); } \
        ssize_t done = real(fd, data, size, place); \
        if (done > 0) record("write", path, "", inode_of(fd), place, data, done); \
        return done; \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int number) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    char path[PATH_MAX];
    if (mode == OFF || !path_of(fd, path)) return real(fd, parts, number);
    ssize_t sum = 0;
    for (int i = 0; i < number; i++) {
        ssize_t done = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (done < 0) return sum ? sum : -1;
        sum += done;
    }
    return sum;
}

/* Refused, so that the caller falls back to plain writes, which can be recorded and torn. */
#define REFUSED(name, type) \
    ssize_t name(int to, int from, type *place, size_t size) { \
        REAL(ssize_t, #name, int, int, type *, size_t); \
        char path[PATH_MAX]; \
        if (mode == OFF || !path_of(to, path)) return real(to, from, place, size); \
        errno = EINVAL; \
        return -1; \
    }
REFUSED(sendfile, off_t)
REFUSED(sendfile64, off64_t)
ssize_t copy_file_range(int from, off64_t *there, int to, off64_t *here, size_t size, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    char path[PATH_MAX];
    if (mode == OFF || !path_of(to, path)) return real(from, there, to, here, size, flags);
    errno = EXDEV;
    return -1;
}

#define SYNC(name) \
    int name(int fd) { \
        REAL(int, #name, int); \
        char path[PATH_MAX]; \
        if (mode == OFF || !path_of(fd, path)) return real(fd); \
        if (counted(1, 0)) return -1; \
        int done = real(fd); \
        struct stat found; \
        if (!done && !fstat(fd, &found)) record(S_ISDIR(found.st_mode) ? "syncdir" : "sync", path, "", found.st_ino, 0, 0, 0); \
        return done; \
    }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(name, type) \
    int name(int fd, type size) { \
        REAL(int, #name, int, type); \
        char path[PATH_MAX]; \
        if (mode == OFF || !path_of(fd, path)) return real(fd, size); \
        if (counted(0, 0)) return -1; \
        int done = real(fd, size); \
        if (!done) record("truncate", path, "", inode_of(fd), size, 0, 0); \
        return done; \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define RESERVE(name, type) \
    int name(int fd, type from, type size) { \
        REAL(int, #name, int, type, type); \
        char path[PATH_MAX]; \
        if (mode == OFF || !path_of(fd, path)) return real(fd, from, size); \
        if (counted(0, 0)) return fail_with; \
        int done = real(fd, from, size); \
        struct stat found; \
        if (!done && !fstat(fd, &found)) record("truncate", path, "", found.st_ino, found.st_size, 0, 0); \
        return done; \
    }
RESERVE(posix_fallocate, off_t)
RESERVE(posix_fallocate64, off64_t)

static int opened(int folder, const char *name, int flags, mode_t rights, int (*real)(int, const char *, int, ...)) {
    char buffer[PATH_MAX];
    if (mode == OFF || !(flags & (O_CREAT | O_TRUNC))) return real(folder, name, flags, rights);
    const char *path = full(folder, name, buffer);
    if (!is_ours(path)) return real(folder, name, flags, rights);
    struct stat found;
    int is_new = stat(path, &found) != 0;
    int is_cut = !is_new && (flags & O_TRUNC);
    if (!is_new && !is_cut) return real(folder, name, flags, rights);
    if (counted(0, 0)) return -1;
    int fd = real(folder, name, flags, rights);
    if (fd >= 0 && is_new) record("create", path, "", inode_of(fd), 0, 0, 0);
    if (fd >= 0 && is_cut) record("truncate", path, "", inode_of(fd), 0, 0, 0);
    return fd;
}

#define RIGHTS(last) \
    mode_t rights = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, last); \
        rights = va_arg(rest, mode_t); \
        va_end(rest); \
    }
#define OPEN(name, at) \
    int name(const char *path, int flags, ...) { \
        REAL(int, at, int, const char *, int, ...); \
        RIGHTS(flags) \
        return opened(AT_FDCWD, path, flags, rights, real); \
    }
OPEN(open, "openat")
OPEN(open64, "openat64")
#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(int, #name, int, const char *, int, ...); \
        RIGHTS(flags) \
        return opened(folder, path, flags, rights, real); \
    }
OPENAT(openat)
OPENAT(openat64)

static int moved(const char *what, int a, const char *from, int b, const char *to, int (*act)(int, const char *, int, const char *)) {
    char one[PATH_MAX], two[PATH_MAX];
    if (mode == OFF || !is_ours(full(b, to, two))) return act(a, from, b, to);
    if (counted(0, 0)) return -1;
    int done = act(a, from, b, to);
    if (!done) record(what, full(a, from, one), full(b, to, two), 0, 0, 0, 0);
    return done;
}
static int act_rename(int a, const char *from, int b, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    return real(a, from, b, to);
}
static int act_link(int a, const char *from, int b, const char *to) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    return real(a, from, b, to, 0);
}
int rename(const char *from, const char *to) { return moved("rename", AT_FDCWD, from, AT_FDCWD, to, act_rename); }
int renameat(int a, const char *from, int b, const char *to) { return moved("rename", a, from, b, to, act_rename); }
int link(const char *from, const char *to) { return moved("link", AT_FDCWD, from, AT_FDCWD, to, act_link); }
int linkat(int a, const char *from, int b, const char *to, int flags) { (void)flags; return moved("link", a, from, b, to, act_link); }

#define REMOVED(what, folder, name, call) \
    char path[PATH_MAX]; \
    const char *whole = full(folder, name, path); \
    if (mode == OFF || !is_ours(whole)) return call; \
    struct stat found; \
    if (lstat(whole, &found)) return call; \
    if (counted(0, 0)) return -1; \
    int done = call; \
    if (!done) record(what, whole, "", 0, 0, 0, 0); \
    return done;
int unlink(const char *name) { REAL(int, "unlink", const char *); REMOVED("unlink", AT_FDCWD, name, real(name)) }
int rmdir(const char *name) { REAL(int, "rmdir", const char *); REMOVED("rmdir", AT_FDCWD, name, real(name)) }
int unlinkat(int folder, const char *name, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    REMOVED(flags & AT_REMOVEDIR ? "rmdir" : "unlink", folder, name, real(folder, name, flags))
}
int remove(const char *name) {
    struct stat found;
    if (lstat(name, &found)) return -1;
    return S_ISDIR(found.st_mode) ? rmdir(name) : unlink(name);
}
static int made(int folder, const char *name, mode_t rights) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    char path[PATH_MAX];
    const char *whole = full(folder, name, path);
    struct stat found;
    if (mode == OFF || !is_ours(whole) || !lstat(whole, &found)) return real(folder, name, rights);
    if (counted(0, 0)) return -1;
    int done = real(folder, name, rights);
    if (!done) record("mkdir", whole, "", 0, 0, 0, 0);
    return done;
}
int mkdir(const char *name, mode_t rights) { return made(AT_FDCWD, name, rights); }
int mkdirat(int folder, const char *name, mode_t rights) { return made(folder, name, rights); }
