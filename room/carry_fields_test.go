package room

import (
	"testing"

	"chatd/poller"
	"chatd/room/carry/carrytest"
)

// Each field of an owner of something that is carried has its fate. The small parts' are in
// carried_test.go.
func TestEachFieldOfAnOwnerIsNamed(t *testing.T) {
	withoutSockets(t)
	carried, rebuilt := carrytest.Carried, carrytest.Rebuilt
	const (
		task   = "it is made with its owner"
		static = "it is set when it is made"
		empty  = "nothing is under way"
		flags  = "the configuration says it"
	)

	// Connections.
	carrytest.Fields(t, client{}, carried("Conn", "in", "phase", "ended", "wrong", "spent", "status", "roster", "out", "source", "born", "heard", "spoke"),
		rebuilt("server", static), rebuilt("slot", "its place in a list is another one"),
		rebuilt("events", empty), rebuilt("link", empty), rebuilt("mail", empty))
	carrytest.Fields(t, poller.Conn{}, carried("Task", "fd"), rebuilt("pending", "the socket is watched again, and says so again"))
	carrytest.Fields(t, poller.Task{}, carried("runner"), rebuilt("next", empty), rebuilt("pool", static), rebuilt("state", "all are looked at"))
	carrytest.Fields(t, secure{}, carried("client", "session"))
	carrytest.Fields(t, chatSession{}, carried("author", "owed", "stays", "second", "commands", "errors"),
		rebuilt("client", static), rebuilt("silent", "it is the author; who has spoken gets another one again when it speaks"))
	carrytest.Fields(t, granted{}, carried("token"), rebuilt("client", static))
	carrytest.Fields(t, grantedChat{}, carried("chatSession", "token"))
	carrytest.Fields(t, stays{}, carried("hubs", "last", "entry", "nonce"), rebuilt("heard", "all rooms have caught up"))
	carrytest.Fields(t, outbox{}, carried("acked", "rest", "owed", "answers", "begun", "urgent", "readers", "turn", "part", "left", "since", "deadline"),
		rebuilt("c", static), rebuilt("index", "its place in a list is another one"), rebuilt("one", "it has readers, if that is one"),
		rebuilt("armed", "the socket is looked at again"))
	carrytest.Fields(t, piece{}, carried("bytes", "kind"))
	carrytest.Fields(t, reader{}, carried("roster", "at", "head", "given"))
	carrytest.Fields(t, pendingConn{}, carried("c", "deadline", "limit"))
	carrytest.Fields(t, pendingConns{}, carried("list", "ticked"), rebuilt("Task", task), rebuilt("server", static), rebuilt("inbox", empty), rebuilt("joins", empty),
		rebuilt("handshakes", "each of the list says whether it is one"), rebuilt("due", "the first run looks at all"),
		rebuilt("staged", "a server that goes away is not carried"), rebuilt("hand", "the search begins anywhere"))

	// Shards.
	carrytest.Fields(t, shard{}, carried("list", "lagging", "others", "ticked"), rebuilt("Task", task), rebuilt("server", static),
		rebuilt("inbox", empty), rebuilt("changes", empty), rebuilt("replies", empty), rebuilt("rosters", empty), rebuilt("early", empty),
		rebuilt("nextChange", empty), rebuilt("nextReply", empty), rebuilt("nextClient", empty),
		rebuilt("first", empty), rebuilt("last", empty), rebuilt("pass", empty), rebuilt("current", empty),
		rebuilt("population", "its connections are counted again"), rebuilt("rosterCount", "its rosters are counted again"),
		rebuilt("roomless", "it is made for the first who is in no room"),
		rebuilt("due", "each connection's deadlines say it"),
		rebuilt("sweepAt", "when members were heard says it"), rebuilt("expires", "their tokens say it"),
		rebuilt("doubts", "who was pinged, and is silent, is doubted again"), rebuilt("ciphers", "they are built when they are needed"))
	const members = "its members are put into it again"
	carrytest.Fields(t, roster{}, carried("hub", "shard", "kind", "notices"),
		rebuilt("events", empty), rebuilt("link", empty), rebuilt("waits", empty), rebuilt("next", empty),
		rebuilt("done", "between passes it is at the log's end"), rebuilt("pos", "between passes it is the log's end"),
		rebuilt("sibling", "the hub has it again"), rebuilt("index", "its place in a list is another one"),
		rebuilt("population", members), rebuilt("members", members), rebuilt("ready", members), rebuilt("fds", members),
		rebuilt("overflow", "members that are behind say it"))
	carrytest.Fields(t, kind{}, carried("stream", "secure"))
	carrytest.Fields(t, membership{}, carried("roster"), rebuilt("slot", "its place in a list is another one"))
	carrytest.Fields(t, notice{}, carried("frame"))
	carrytest.Fields(t, notices{}, carried("newest"), rebuilt("given", "between passes it is the newest"))

	// Rooms.
	carrytest.Fields(t, hub{}, carried("name", "flags", "epoch", "second", "messages", "meter", "log", "archive", "rosters", "order"),
		rebuilt("Task", task), rebuilt("server", static), rebuilt("inbox", empty), rebuilt("joins", empty), rebuilt("posts", empty), rebuilt("backlog", empty),
		rebuilt("waiters", "they are sessions that wait for posts, and there are none"),
		rebuilt("events", empty), rebuilt("link", empty), rebuilt("population", "its members are counted again"),
		rebuilt("taken", "all joins were"), rebuilt("sent", "all joins were taken"),
		rebuilt("listed", "it asks to be listed again"), rebuilt("waits", "it is looked at again"),
		rebuilt("silent", "those that keep anything are put in order again"), rebuilt("removed", "those are not there"),
		rebuilt("passedAll", "its rosters say it"))
	carrytest.Fields(t, ordered{}, carried("at", "numbers", "top", "gap", "forgotten", "past"),
		rebuilt("hub", static), rebuilt("inbox", empty), rebuilt("coming", empty), rebuilt("current", empty), rebuilt("handing", empty),
		rebuilt("answered", empty), rebuilt("window", empty), rebuilt("waits", empty), rebuilt("held", empty), rebuilt("asking", empty),
		rebuilt("seq", "it is top"), rebuilt("elsewhere", "the other nodes tell it again"),
		rebuilt("mu", "nobody holds it"), rebuilt("left", "the room enters again, and is there for members or has yet to leave"),
		rebuilt("counted", "it is told when it has entered"), rebuilt("carried", "it is, from here on"),
		rebuilt("begun", "what the Source keeps has yet to come, to this program"),
		rebuilt("askAt", "nobody asks"), rebuilt("refuseAt", "nothing waits"), rebuilt("leaveAt", "when it may leave is found out again"))
	carrytest.Fields(t, directory{}, carried("rooms", "born", "removed", "second"),
		rebuilt("Task", task), rebuilt("server", static), rebuilt("joins", empty), rebuilt("errands", empty), rebuilt("hubs", empty),
		rebuilt("size", "the rooms are counted again"), rebuilt("waited", "later is empty"), rebuilt("later", "all hubs are looked at again"),
		rebuilt("mu", "nobody holds it"), rebuilt("active", "hubs ask to be listed again"), rebuilt("silence", "when something was said last is known of each room"),
		rebuilt("staged", "a server that goes away is not carried"))
	carrytest.Fields(t, silence{}, rebuilt("longest", "when something was said last is known of each room"), rebuilt("shortest", "likewise"))

	// The server.
	carrytest.Fields(t, Server{}, carried("pending", "directory", "shards", "now", "counters", "tls", "refusals", "disconnects", "sources", "bans"),
		rebuilt("config", flags+"; of it, secrets that were made up are carried"), rebuilt("handshake", flags), rebuilt("rules", flags), rebuilt("rates", flags), rebuilt("times", flags),
		rebuilt("pool", static), rebuilt("poller", static), rebuilt("web", "it has requests, which are not carried"),
		rebuilt("flusher", "no room waits, and it is made with its server"),
		rebuilt("shardSize", static), rebuilt("stepSize", static), rebuilt("slice", static), rebuilt("stretch", static), rebuilt("record", static), rebuilt("clock", static),
		rebuilt("ticking", "it is held"), rebuilt("still", "it is frozen, the next one goes on"), rebuilt("halted", "all who may have something to read are looked at"), rebuilt("date", "Tick sets it"),
		rebuilt("stage", "a server that goes away is not carried"), rebuilt("drainTo", "likewise"), rebuilt("empty", "likewise"), rebuilt("once", "likewise"),
		rebuilt("conns", "those that are carried are counted again"), rebuilt("members", "likewise"),
		rebuilt("inspector", "who asks has had his answer"),
		rebuilt("paused", empty), rebuilt("pauses", "meters say until when"), rebuilt("freed", static))
	carrytest.Fields(t, shards{}, carried("list"), rebuilt("mu", "nobody holds it"))
}
