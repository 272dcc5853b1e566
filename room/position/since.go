package position

// Since is where a reader wants to begin.
type Since struct {
	Kind     Kind
	Position Position // At: the last message that it has seen
}

// Kind is what kind of place a Since names.
type Kind uint8

// The kinds.
const (
	Absent Kind = iota // none: what is right for most
	Now                // behind the newest message
	At                 // behind the message at the position
)

// ParseSince reads what a client wrote: "" is Absent, "now" Now.
func ParseSince(s string) (since Since, ok bool) {
	switch s {
	case "":
		return Since{}, true
	case "now":
		return Since{Kind: Now}, true
	}
	p, ok := Parse(s)
	if !ok {
		return Since{}, false
	}
	return Since{Kind: At, Position: p}, true
}
