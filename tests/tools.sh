#!/bin/sh
# Install the programs the tests talk to or need for crashes, where that is possible without asking: as root,
# with apt-get. Never fails and says one line: a program that stays absent costs its tests, which
# are then skipped, counted and named at the end of the run.
set -u

wanted=""
for pair in ssh:openssh-client sftp:openssh-client ssh-keygen:openssh-client openssl:openssl \
    strace:strace faketime:faketime mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs; do
    command -v "${pair%%:*}" >/dev/null 2>&1 && continue
    case " $wanted " in *" ${pair#*:} "*) ;; *) wanted="$wanted ${pair#*:}" ;; esac
done

[ -n "$wanted" ] || exit 0
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || exit 0

echo "installing for the tests:$wanted"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # the packages are words of their own
{ apt-get update && apt-get install --yes --no-install-recommends $wanted; } >/dev/null 2>&1 ||
    echo "apt-get could not install them; their tests will be skipped"
exit 0
