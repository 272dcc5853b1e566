package chat

import "encoding/json"

// Publication is a message that is published from outside of the connections.
type Publication struct {
	Text  []byte // not empty
	Name  string // as a name is; "": none
	Nonce string // "": none
}

// DecodePublication reads a publication, whose text may have at most maxText bytes: a
// JSON object with the members of a say that are its. Others are ignored. What is no
// JSON at all is told apart from what is not a publication.
func DecodePublication(b []byte, maxText int) (p Publication, valid bool, failed *Error) {
	e, failed := read(b)
	if failed != nil {
		return p, json.Valid(b), failed
	}
	var ok bool
	if p.Text, failed = e.text(maxText); failed != nil {
		return Publication{}, true, failed
	}
	if p.Nonce, ok = e.nonce(); !ok {
		return Publication{}, true, badNonce()
	}
	if len(e[memberName]) > 0 {
		p.Name, failed = e.name()
	}
	if failed != nil {
		return Publication{}, true, failed
	}
	return p, true, nil
}
