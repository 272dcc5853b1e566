package main

import "testing"

func TestEachRoomHasAPage(t *testing.T) {
	browser := startBrowser(t)
	chatd := startChatd(t)
	lobby := open(t, browser, chatd, "open")
	named := openURL(t, browser, "http://"+chatd.Addr+"/r/lobby", "open")
	ana := openURL(t, browser, "http://"+chatd.Addr+"/r/chat.js", "open") // a room's name, below /r/
	ben := openURL(t, browser, "http://"+chatd.Addr+"/r/chat.js?x#y", "open")
	ana.say("in the room")
	ben.waitForLast("in the room")
	lobby.say("in the lobby")
	named.waitForLast("in the lobby")
	ben.say("again")
	ana.waitForLast("again")
	lobby.expectLog("in the lobby")
	ana.expectLog("in the room", "again")
	ana.expect(`document.title === 'chat.js – chatd' && room.textContent === 'chat.js'`)
	named.expect(`document.title === 'chatd' && room.textContent === 'chatd'`)
}
