"""Become a command in a sandbox: a stand-alone program, the standard library alone.

    python -I -S sandbox.py UID GID HOSTNAME FOLDER:FOLDER:… COMMAND ARGUMENT…

The working folder holds what the machine may write, `var tmp run root home`, and `.root`, an empty
folder to mount on. `/etc` is a copy of the host's, in memory. Everything else that COMMAND sees is
read-only: `/usr` and what leads into it, `/sys`, and the FOLDERs of the host. It sees no process
but its own, thinks that it is root (UID outside), and has no capability; `poweroff` and its kin
are `run/vcycle/power-off`. The network is the host's.

# Note [Entering]

The program speaks with the shim, which waits at the other end:

    stdout   `pid N`, once process N exists that becomes COMMAND, or `error WHY`. COMMAND itself
             is to say `running` and turn its output elsewhere.
    stdin    one byte, once the shim is N's parent: only then can N ask to die with the shim.
    stderr   the console, passed on to COMMAND.

Only user namespaces are needed, no privilege: a root manager gives its rights up before anything
is mounted, so that a hole here is a hole for UID, not for root. From there on nothing more can be
imported, not even an encoding: UID may not be able to read this Python's folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
import sys

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_SLAVE = 4096, 16384, 1 << 19
MNT_DETACH = 2
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE = 442, -100, 0x8000
NAMESPACES = (
    0x10000000  # user
    | 0x00020000  # mount
    | 0x20000000  # pid
    | 0x08000000  # ipc
    | 0x04000000  # host name
)
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38

PRIVATE = ("var", "tmp", "run", "root", "home")
SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
POWER_OFF = ("poweroff", "shutdown", "halt", "reboot", "systemctl")
"""Commands that end the machine; of systemctl only those verbs."""
STUB = "/run/vcycle/power-off"
LARGEST_ETC_FILE = 1 << 20
"""Bytes. What is larger in /etc is a compiled database of the host (hardware, SELinux)."""

_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library that returns -1 and sets errno when it fails.

    Raises:
        OSError: it failed; the text says which function and on what.
    """
    if getattr(_libc, name)(*arguments) == -1:
        number = ctypes.get_errno()
        what = " ".join(str(each) for each in (name, *arguments[:2]))
        raise OSError(number, f"{os.strerror(number)} ({what})")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount a file system, or show one that is there in another place."""
    texts = (source.encode(), target.encode(), kind.encode())
    call("mount", *texts, ctypes.c_ulong(flags), data.encode())


def protect(target: str, *, is_tree: bool) -> None:
    """Make a mount, or a tree of them, read-only, without set-user-id and device files."""
    attributes = (ctypes.c_uint64 * 4)(MS_RDONLY | MS_NOSUID | MS_NODEV, 0, 0, 0)
    flags = AT_RECURSIVE if is_tree else 0
    arguments = (AT_FDCWD, target.encode(), ctypes.c_uint(flags), attributes)
    call("syscall", SYS_MOUNT_SETATTR, *arguments, ctypes.c_size_t(32))


def copy_etc(source: str, target: str) -> None:
    """Copy into the folder `target` what everybody may read of `source`, but for large files."""
    for entry in os.scandir(source):
        # What may not be read after all, or went away meanwhile, is left out.
        with contextlib.suppress(PermissionError, FileNotFoundError):
            _copy(entry, f"{target}/{entry.name}")


def _copy(entry: os.DirEntry[str], copy: str) -> None:
    status = entry.stat(follow_symlinks=False)
    if entry.is_symlink() and not _leads_into_run(entry.path):
        os.symlink(os.readlink(entry.path), copy)
    elif not status.st_mode & stat.S_IROTH:
        return
    elif entry.is_dir(follow_symlinks=False):
        os.mkdir(copy)
        copy_etc(entry.path, copy)
    elif entry.is_file() and status.st_size <= LARGEST_ETC_FILE:
        _copy_file(entry.path, copy, status.st_mode & 0o755)


def _leads_into_run(path: str) -> bool:
    # resolv.conf does on many hosts; the link would lead nowhere in the machine.
    return "/run/" in os.readlink(path)


def _copy_file(source: str, copy: str, mode: int) -> None:
    with open(source, "rb") as original:
        content = original.read()
    handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode | stat.S_IWUSR)
    os.write(handle, content)
    os.close(handle)


def build_root(host_folders: list[str]) -> None:
    """Mount the machine's file system in `.root` of the working folder."""
    mount("none", "/", flags=MS_REC | MS_SLAVE)
    mount("tmpfs", ".root", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    for name in SYSTEM:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f".root/{name}")
        else:
            _show(f"/{name}")
    for name in PRIVATE:
        os.mkdir(f".root/{name}")
        mount(name, f".root/{name}", flags=MS_BIND)
    os.mkdir(".root/etc")
    mount("tmpfs", ".root/etc", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=64m")
    copy_etc("/etc", ".root/etc")
    for folder in ("/sys", *host_folders):
        _show(folder)
    os.mkdir(".root/proc")
    mount("proc", ".root/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _build_dev()
    protect(".root", is_tree=False)


def _show(folder: str) -> None:
    if os.path.isdir(folder):
        os.makedirs(f".root{folder}", exist_ok=True)
        mount(folder, f".root{folder}", flags=MS_BIND | MS_REC)
        protect(f".root{folder}", is_tree=True)


def _build_dev() -> None:
    os.makedirs(".root/dev/shm")
    for name in DEVICES:
        os.close(os.open(f".root/dev/{name}", os.O_CREAT, 0o666))
        mount(f"/dev/{name}", f".root/dev/{name}", flags=MS_BIND)
    mount("tmpfs", ".root/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    os.symlink("/proc/self/fd", ".root/dev/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f".root/dev/{name}")


def enter_root() -> None:
    """Make `.root` the root, let go of the host's, and put the stub over power-off commands."""
    os.chdir(".root")
    call("pivot_root", b".", b".")
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")
    for name in POWER_OFF:
        for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"):
            path = f"{folder}/{name}"
            # Several names may be links to one file, which is covered already.
            if os.path.exists(path) and not os.path.samefile(path, STUB):
                mount(STUB, path, flags=MS_BIND)


def give_up_rights() -> None:
    """Drop every capability for good, so that nothing mounted above can be undone."""
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1:
            break
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def unshare(uid: int, gid: int) -> None:
    """Become UID, then root of new namespaces that know no other user."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        # Without this /proc/self still belongs to root and the maps cannot be written.
        call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
    call("unshare", NAMESPACES)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {uid} 1"),
        ("gid_map", f"0 {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="utf-8") as map_file:
            map_file.write(text)


def become(hostname: str, host_folders: list[str], command: list[str]) -> None:
    """Turn process 1 of the new namespaces into the command; see note [Entering]."""
    if not os.read(0, 1):
        return
    build_root(host_folders)
    enter_root()
    name = hostname.encode()[:64]
    call("sethostname", name, len(name))
    give_up_rights()
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.set_blocking(0, False)
    try:
        os.read(0, 1)
    except BlockingIOError:  # the shim still holds the other end, so it is alive
        for each in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, COMMAND is not to
            signal.signal(each, signal.SIG_DFL)
        os.execv(command[0], command)


def main() -> None:
    """Run as the module's text says; exit status 1 and `error WHY` if that fails."""
    uid, gid, hostname, folders, *command = sys.argv[1:]
    try:
        unshare(int(uid), int(gid))
        child = os.fork()
        if child:
            os.write(1, f"pid {child}\n".encode())
        else:
            become(hostname, [each for each in folders.split(":") if each], command)
    except OSError as error:
        os.write(1, f"error {error.strerror or error}\n".encode())
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
