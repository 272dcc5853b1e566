#!/bin/sh
# tsung.sh TSUNG HOST PORT USERS MESSAGES DIRECTORY
set -eu
cat >"$6/run.xml" <<END
<?xml version="1.0"?>
<!DOCTYPE tsung SYSTEM "/usr/share/tsung/tsung-1.0.dtd" []>
<tsung loglevel="notice" version="1.0">
  <clients><client host="localhost" use_controller_vm="true"/></clients>
  <servers><server host="$2" port="$3" type="tcp"/></servers>
  <load>
    <arrivalphase phase="1" duration="5" unit="second">
      <users maxnumber="$4" arrivalrate="$4" unit="second"/>
    </arrivalphase>
  </load>
  <sessions>
    <session name="chat" probability="100" type="ts_websocket">
      <request><websocket type="connect" path="/ws"/></request>
      <for from="1" to="$5" var="i">
        <request><websocket type="message">hello</websocket></request>
      </for>
      <request><websocket type="close"/></request>
    </session>
  </sessions>
</tsung>
END
# Erlang's own names and connections stay on this host, and end with the run.
export HOME="$6" ERL_EPMD_PORT=$(($3 > 60000 ? $3 - 1 : $3 + 1))
export ERL_AFLAGS='-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}'
epmd -address 127.0.0.1 &
trap 'kill $!' EXIT
"$1" -n -I 127.0.0.1 -l "$6/log" -f "$6/run.xml" start
