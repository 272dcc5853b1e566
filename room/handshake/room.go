package handshake

import "bytes"

// DefaultRoom is the room of a request that names none.
const DefaultRoom = "lobby"

// maxRoomName is the length of the longest name of a room, in bytes.
const maxRoomName = 64

// RoomName reports whether name can be a room's: 1 to 64 of the characters that
// need no encoding in a path (RFC 3986 §2.3), but not one of the segments that
// mean something else there (§3.3).
func RoomName[T string | []byte](name T) bool {
	if len(name) == 0 || len(name) > maxRoomName || string(name) == "." || string(name) == ".." {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '.' || c == '_' || c == '~' || c == '-') {
			return false
		}
	}
	return true
}

// roomOf is the room that a request is for, if its path is h.Path or below. Path
// is decoded; encoded says that it was not the same before. The name's bytes are
// path's.
func (h *Handshake) roomOf(path []byte, encoded bool) (name []byte, ours bool, r *refusal) {
	rest, ok := bytes.CutPrefix(path, []byte(h.Path))
	switch {
	case !ok || len(rest) > 0 && rest[0] != '/':
		return nil, false, nil
	case len(rest) == 0 && h.Rooms != nil && !h.Rooms[DefaultRoom]:
		return nil, true, noSuchRoom
	case len(rest) == 0:
		return []byte(DefaultRoom), true, nil
	}
	name = rest[1:]
	return name, true, h.refuseRoom(name, encoded)
}

// refuseRoom is what is wrong with a room's segment of a path; nil: nothing.
// Encoded says that it is not as it came.
func (h *Handshake) refuseRoom(name []byte, encoded bool) *refusal {
	switch {
	case encoded:
		return badRoom
	case bytes.IndexByte(name, '/') >= 0:
		return noSuchRoom
	case !RoomName(name):
		return badRoom
	case h.Rooms != nil && !h.Rooms[string(name)]:
		return noSuchRoom
	}
	return nil
}

// RefuseRoom is the HTTP status, and the sentence, with which a room's segment of
// a path is refused; 0: it is not. Encoded says that it is not as it came.
func (h *Handshake) RefuseRoom(name string, encoded bool) (status int, text string) {
	if r := h.refuseRoom([]byte(name), encoded); r != nil {
		return r.status, r.text
	}
	return 0, ""
}

// roomName is name as a string, for most without an allocation.
func roomName(name []byte) string {
	if string(name) == DefaultRoom {
		return DefaultRoom
	}
	return string(name)
}
