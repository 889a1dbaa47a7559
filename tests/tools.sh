#!/bin/sh
# Install the programs and libraries the tests talk to or need for crashes, where that is possible without
# asking: as root, with apt-get, and npm for what only it has. Never fails and says one line per
# step: what stays absent costs its tests, which are then skipped, counted and named at the end.
set -u
cd "$(dirname "$0")/.."

wanted=""
for pair in ssh:openssh-client sftp:openssh-client ssh-keygen:openssh-client openssl:openssl \
    /usr/lib/openssh/sftp-server:openssh-sftp-server \
    strace:strace faketime:faketime mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs \
    psftp:putty-tools lftp:lftp curl:curl rclone:rclone sshfs:sshfs fusermount3:fuse3 \
    softhsm2-util:softhsm2 \
    /usr/sbin/sshd:openssh-server xmllint:libxml2-utils sqlite3:sqlite3 valgrind:valgrind \
    javac:default-jdk-headless /usr/share/java/jsch.jar:libjsch-java node:nodejs npm:npm; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || [ -e "${pair%%:*}" ] && continue
    case " $wanted " in *" ${pair#*:} "*) ;; *) wanted="$wanted ${pair#*:}" ;; esac
done

if [ -n "$wanted" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing for the tests:$wanted"
    export DEBIAN_FRONTEND=noninteractive
    # The bench starts an sshd of its own: the machine's is not to be started or enabled by this.
    unit=/etc/systemd/system/ssh.service
    case "$wanted" in *openssh-server*)
        [ -e $unit ] || [ -L $unit ] || {
            mkdir -p ${unit%/*} && ln -s /dev/null $unit &&
                echo "ssh.service stays masked; to use it: systemctl unmask ssh"
        } ;;
    esac
    # shellcheck disable=SC2086 # the packages are words of their own
    { apt-get update && apt-get install --yes --no-install-recommends $wanted; } >/dev/null 2>&1 ||
        echo "apt-get could not install them; their tests will be skipped"
fi

# The versions and hashes are those of the lock; no package's own script is run.
lock=tests/acceptance/node/package-lock.json node=.venv/node
if [ -d .venv ] && command -v npm >/dev/null 2>&1 && ! cmp -s $lock $node/package-lock.json; then
    echo "installing for the tests, with npm: ssh2-sftp-client"
    rm -rf $node && mkdir -p $node && cp tests/acceptance/node/package.json $node &&
        cp $lock $node/package-lock.json &&
        npm ci --prefix $node --ignore-scripts --omit=optional --no-audit --no-fund >/dev/null 2>&1 || {
        rm -rf $node
        echo "npm could not install it; its tests will be skipped"
    }
fi
exit 0
