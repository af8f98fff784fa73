#!/usr/bin/env bash
# A personal HTCondor in a chroot, for `make test-condor`. Needs root and debootstrap; the chroot takes 0.6 GB.
#   condor.sh make ROOT               a Debian with HTCondor in ROOT, from Debian's packages
#   condor.sh start ROOT              start the pool as user t
#   condor.sh copy ROOT MCTUNE DIR    the program and a folder with a pipeline into the home of t
#   condor.sh mctune ROOT ARGUMENT... run the program there
#   condor.sh shell ROOT COMMAND      run a line of shell there
#   condor.sh stop ROOT               end the pool
set -euo pipefail
action=$1 root=$2
shift 2
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

inside() { chroot "$root" su t -c ". ~/condor_env; cd ~/work 2>/dev/null || cd; $1"; }

make() {
  if [ ! -x "$root/usr/sbin/condor_master" ]; then
    debootstrap --variant=minbase trixie "$root" "$mirror" >"$root.log"
    # No services while packages are installed.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    chroot "$root" apt-get update -qq
    chroot "$root" apt-get install -y -qq --no-install-recommends minicondor procps >>"$root.log" 2>&1
  fi
}

start() {
  [ -e "$root/proc/self" ] || mount -t proc proc "$root/proc"
  echo "127.0.0.1 localhost $(uname -n)" >"$root/etc/hosts"
  chroot "$root" id t >/dev/null 2>&1 || chroot "$root" useradd -m -u 4711 -s /bin/bash t
  local pool=/home/t/condor
  mkdir -p "$root$pool"/{log,spool,execute,lock,run,cred}
  cat >"$root$pool/condor_config" <<CONF
RELEASE_DIR = /usr
LOCAL_DIR = $pool
BIN = /usr/bin
SBIN = /usr/sbin
LIB = /usr/lib/condor
LIBEXEC = /usr/libexec/condor
SHARE = /usr/share/condor
LOG = $pool/log
SPOOL = $pool/spool
LOCK = $pool/lock
RUN = $pool/run
EXECUTE = $pool/execute
CRED_STORE_DIR = $pool/cred
CONDOR_HOST = 127.0.0.1
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
UID_DOMAIN = test
FILESYSTEM_DOMAIN = test
TRUST_UID_DOMAIN = True
use ROLE: CentralManager
use ROLE: Submit
use ROLE: Execute
use SECURITY: HOST_BASED
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_DAEMON = *
ALLOW_ADMINISTRATOR = *
ALLOW_NEGOTIATOR = *
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
COLLECTOR_PORT = 29618
SHARED_PORT_PORT = 29618
NUM_CPUS = 6
MEMORY = 12288
START = TRUE
SUSPEND = FALSE
PREEMPT = FALSE
KILL = FALSE
RUNBENCHMARKS = 0
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_CYCLE_DELAY = 1
NEGOTIATOR_MIN_INTERVAL = 1
SCHEDD_INTERVAL = 2
UPDATE_INTERVAL = 5
SHADOW_QUEUE_UPDATE_INTERVAL = 5
PERIODIC_EXPR_INTERVAL = 5
JOB_START_DELAY = 0
JOB_START_COUNT = 100
JOB_STOP_COUNT = 100
DAGMAN_USER_LOG_SCAN_INTERVAL = 1
DAGMAN_SUBMIT_DELAY = 0
DISCARD_SESSION_KEYRING_ON_STARTUP = False
CREATE_LOCKS_ON_LOCAL_DISK = True
LOCAL_DISK_LOCK_DIR = $pool/lock
DAEMON_LIST = MASTER COLLECTOR NEGOTIATOR SCHEDD STARTD
CONF
  echo "export CONDOR_CONFIG=$pool/condor_config" >"$root/home/t/condor_env"
  chroot "$root" chown -R t:t /home/t
  inside "condor_master -pidfile $pool/run/master.pid"
  for _ in $(seq 100); do
    ! inside 'condor_status -af Name' 2>/dev/null | grep -q . || return 0
    sleep 0.3
  done
  echo "HTCondor does not come up; its logs are in $root$pool/log" >&2
  exit 1
}

copy() {
  chroot "$root" id t >/dev/null 2>&1 || chroot "$root" useradd -m -u 4711 -s /bin/bash t
  rm -rf "$root/home/t/work" "$root/home/t/go"
  cp -R "$2" "$root/home/t/work"
  cp "$1" "$root/home/t/mctune"
  rm -rf "$root/home/t/work/local store" "$root/home/t/work/.mctune"
  chroot "$root" chown -R t:t /home/t
}

stop() {
  local pid
  pid=$(cat "$root/home/t/condor/run/master.pid")
  kill "$pid"
  for _ in $(seq 50); do [ -d "/proc/$pid" ] || return 0; sleep 0.2; done
}

case $action in
  make | start | stop) "$action" ;;
  copy) copy "$1" "$2" ;;
  mctune) inside "/home/t/mctune $(printf '%q ' "$@")" ;;
  shell) inside "$1" ;;
  *) echo "unknown action $action" >&2; exit 64 ;;
esac
