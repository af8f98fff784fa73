#!/usr/bin/env bash
# A private Slurm on the loopback interface, for tests. Needs root, and Debian's slurmctld, slurmd, slurm-client and munge.
#   slurm.sh up DIR FIRST_PORT    start controller and three nodes n1 to n3; write DIR/env
#   slurm.sh crash DIR NODE       end a node at once, with everything that runs on it
#   slurm.sh down DIR             cancel all jobs, end everything
# DIR must be short: Unix sockets lie in it.
set -euo pipefail
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"
action=$1 dir=$2
nodes='n1 n2 n3'
export SLURM_CONF=$dir/slurm.conf

# Processes whose environment names this cluster's configuration, and on a node: that node.
members() {
  local entry
  for entry in /proc/[0-9]*/environ; do
    if grep -qzxF "SLURM_CONF=$SLURM_CONF" "$entry" 2>/dev/null &&
      { [ -z "${1:-}" ] || grep -qzxF "SLURMD_NODENAME=$1" "$entry" 2>/dev/null; }; then
      entry=${entry#/proc/}
      [ "${entry%/environ}" = $$ ] || echo "${entry%/environ}"
    fi
  done
}
until_it() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || { echo "waited in vain for: $*; logs in $dir" >&2; exit 1; }
    sleep 0.1
  done
}
ready() { [ "$(sinfo -h -N -o '%T' | grep -c idle)" = 3 ]; }

up() {
  local port=$1 node
  mkdir -p "$dir"/{state,spool,munge}
  chmod 755 "$dir" "$dir/munge"
  (umask 077; head -c 128 /dev/urandom >"$dir/munge/key")
  : >"$dir/cgroup.conf"
  # cred_expire is also how long a job that was queued again is held back: two minutes unless said otherwise.
  cat >"$SLURM_CONF" <<CONF
ClusterName=mctune
SlurmctldHost=$(uname -n)(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$port
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/%n.pid
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/%n.log
MailProg=/bin/true
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
DefMemPerCPU=64
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=10000
ReturnToService=2
MaxArraySize=1001
MaxJobCount=10000
KillWait=2
CompleteWait=0
MessageTimeout=10
SlurmctldTimeout=10
SlurmdTimeout=8
TCPTimeout=2
NodeName=n[1-3] NodeHostname=$(uname -n) NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 3))] CPUs=4 RealMemory=4096 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
CONF
  munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munged.pid" \
    --log-file="$dir/munged.log" --seed-file="$dir/munge/seed" >"$dir/munged.out" 2>&1
  until_it 10 munge -n -S "$dir/munge/socket"
  slurmctld -f "$SLURM_CONF" >"$dir/slurmctld.out" 2>&1
  until_it 30 scontrol ping
  for node in $nodes; do
    mkdir -p "$dir/spool/$node"
    slurmd -N "$node" -f "$SLURM_CONF" >"$dir/$node.out" 2>&1
  done
  until_it 60 ready
}

# Processes with all that they have started: programs of tasks are given no environment by which they could be told.
with_children() {
  local pid
  for pid in "$@"; do
    echo "$pid"
    # shellcheck disable=SC2046 # numbers
    with_children $(pgrep -P "$pid")
  done
}

crash() {
  local pid children
  pid=$(cat "$dir/$1.pid")
  # shellcheck disable=SC2046 # numbers
  children=$(with_children $(members "$1"))
  # The node's own daemon first, so that it reports nothing.
  kill -KILL "$pid"
  for pid in $children $(steps "$1"); do
    kill -KILL "$pid" 2>/dev/null || true
  done
}

# Step daemons of a node: they hold its log open.
steps() {
  local entry
  for entry in /proc/[0-9]*; do
    if [ "$(cat "$entry/comm" 2>/dev/null)" = slurmstepd ] &&
      find "$entry/fd" -lname "$dir/$1.log" 2>/dev/null | grep -q .; then
      echo "${entry#/proc/}"
    fi
  done
}

down() {
  local node pid
  timeout 10 scancel --quiet --user="$(id -un)" 2>/dev/null || true
  sleep 0.5
  for node in $nodes; do
    for pid in $(steps "$node"); do kill -KILL "$pid" 2>/dev/null || true; done
  done
  for pid in "$dir"/n?.pid "$dir/slurmctld.pid" "$dir/munged.pid"; do
    [ ! -e "$pid" ] || kill -KILL "$(cat "$pid")" 2>/dev/null || true
  done
  for pid in $(members); do
    [ "$pid" = "$PPID" ] || kill -KILL "$pid" 2>/dev/null || true
  done
}

case $action in
  up) up "$3" ;;
  crash) crash "$3" ;;
  down) down ;;
  *) echo "unknown action $action" >&2; exit 64 ;;
esac
