package chat

// Code is what kind of thing is wrong with a command: stable, for programs.
type Code string

// The codes.
const (
	BadEvent     Code = "bad_event"      // a JSON object, but no command, or not as one is written
	BadJSON      Code = "bad_json"       // no JSON object
	TooLong      Code = "too_long"       // a text of more bytes than the limit
	BadName      Code = "bad_name"       // no name of a person
	BadRoom      Code = "bad_room"       // no name of a room
	NotMember    Code = "not_member"     // of a room that one is not in
	TooManyRooms Code = "too_many_rooms" // at a time
	NoRoom       Code = "no_room"        // is named, while one is in none, or in several
	NotAllowed   Code = "not_allowed"
	Rate         Code = "rate"        // too many in a second
	Unavailable  Code = "unavailable" // the room's order can't be reached, and the text has no place in it
)

// Codes are all of them.
var Codes = [...]Code{BadEvent, BadJSON, TooLong, BadName, BadRoom, NotMember, TooManyRooms, NoRoom, NotAllowed, Rate, Unavailable}

// Error is what a client is told about a command that is not carried out.
type Error struct {
	Code    Code
	Message string // one sentence, for people
	Nonce   string // the command's, if it has one
}

// AppendError appends what is wrong with a command.
func AppendError(b []byte, e *Error) []byte {
	b = append(b, `{"type":"error","code":"`...)
	b = append(b, e.Code...)
	b = append(b, `","message":`...)
	b = appendString(b, e.Message)
	return appendNonce(b, e.Nonce)
}
