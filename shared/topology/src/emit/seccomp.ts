/** Seccomp profiles: what a container may ask of the kernel. Everything not listed answers EPERM, unknown numbers ENOSYS. */
import type { Service } from '../services.ts';

interface Rule {
  names: string[];
  action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo?: number; op: string }[];
}

const EPERM = 1;
const ENOSYS = 38;
const CLONE_THREAD = 0x10000;
/** CLONE_NEWNS … CLONE_NEWNET, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID: no new namespaces. */
const CLONE_NAMESPACES = 0x7e020000;

const words = (text: string): string[] => text.trim().split(/\s+/).sort();

// crun and runc still run under the profile between its loading and execve, so their last steps are in here (capset, setuid, prctl …).
const common = words(`
  access alarm arch_prctl brk capget capset chdir chmod chown clock_getres clock_gettime clock_nanosleep close close_range dup dup2 dup3
  epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait creat eventfd eventfd2 execve execveat exit exit_group
  faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync flock fstat fstatfs
  fsync ftruncate futex futex_waitv futex_wait futex_wake futex_requeue get_robust_list getcpu getcwd getdents getdents64 getegid geteuid
  getgid getgroups getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit
  getrusage getsid getsockname getsockopt gettid gettimeofday getuid inotify_add_watch inotify_init1 inotify_rm_watch ioctl
  kill lchown link linkat listen lseek lstat madvise membarrier mincore mkdir mkdirat mlock mlock2 mmap mprotect mremap msync munlock munmap
  nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl
  pread64 preadv preadv2 prlimit64 pselect6 pwrite64 pwritev pwritev2 getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg
  rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
  rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getparam
  sched_getscheduler sched_yield select sendfile sendmmsg sendmsg sendto set_robust_list set_tid_address setgid setgroups
  setitimer setpgid setpriority setresgid setresuid setsid setsockopt setuid setrlimit shutdown sigaltstack signalfd4 socketpair splice stat statfs statx
  symlink symlinkat sync_file_range sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_settime
  timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlink unlinkat utime utimensat utimes
  vfork wait4 waitid write writev accept accept4 bind connect copy_file_range memfd_create
`);
const forEngine = words(`
  get_mempolicy mbind sched_setaffinity set_mempolicy
  mount mount_setattr move_mount open_tree pivot_root setdomainname sethostname umount2 unshare
`);
const forPostgres = words('semctl semget semop semtimedop shmat shmctl shmdt shmget sync syncfs');
/** Address families of socket(2). */
const familyNumbers = { unix: 1, inet: 2, netlink: 16 };

/** The profile of one service as podman reads it (OCI runtime-spec, linux.seccomp, in containers/common's file form). */
export function seccompProfile(service: Service): object {
  const forks = service.image === 'postgres' || service.allow.includes('child-process');
  const names = [
    ...common.filter((name) => forks || name !== 'vfork'),
    ...(service.engine ? forEngine : []),
    ...(service.image === 'postgres' ? forPostgres : []),
  ];
  const rules: Rule[] = [
    { names: names.sort(), action: 'SCMP_ACT_ALLOW' },
    // No raw, packet, vsock or IPv6 sockets; netlink only because getifaddrs() reads it.
    ...Object.values(familyNumbers).map(
      (family): Rule => ({
        names: ['socket'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: family, op: 'SCMP_CMP_EQ' }],
      }),
    ),
    // Engines and scanners are shut into namespaces of their own inside the container (@secai/sandbox).
    service.engine
      ? { names: ['clone'], action: 'SCMP_ACT_ALLOW' }
      : forks
        ? {
            names: ['clone'],
            action: 'SCMP_ACT_ALLOW',
            args: [{ index: 0, value: CLONE_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
          }
        : {
            names: ['clone'],
            action: 'SCMP_ACT_ALLOW',
            args: [{ index: 0, value: CLONE_THREAD, valueTwo: CLONE_THREAD, op: 'SCMP_CMP_MASKED_EQ' }],
          },
    // clone3's flags lie in memory, out of a filter's sight; ENOSYS makes glibc use clone.
    {
      names: ['clone3', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: ENOSYS,
    },
  ];
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    architectures: ['SCMP_ARCH_X86_64'],
    syscalls: rules,
  };
}
