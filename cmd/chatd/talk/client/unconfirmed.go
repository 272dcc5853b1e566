package client

import "slices"

// window is what was said and is not confirmed, in its order. It is the same
// whether there is a link or not: a new link begins with sending all of it again,
// and the server leaves out what it has.
type window struct {
	says []unconfirmed
	sent int // of says, on this link
}

type unconfirmed struct {
	said
	frame []byte
}

// maxUnconfirmed bounds the window. The server knows a nonce again as long as the
// message is in its history, 100 by default, and drops a reader that is some 256
// behind: it is well below both.
const maxUnconfirmed = 64

func (w *window) full() bool { return len(w.says) >= maxUnconfirmed }

func (w *window) add(s said) {
	w.says = append(w.says, unconfirmed{said: s, frame: encode(wireEvent{Type: "say", Text: s.text, Nonce: s.nonce})})
}

// next returns the frame that is to be sent next, or nil.
func (w *window) next() []byte {
	if w.sent == len(w.says) {
		return nil
	}
	return w.says[w.sent].frame
}

// resend begins anew, on a new link.
func (w *window) resend() { w.sent = 0 }

// settle takes out what has this nonce, and tells if it was there.
func (w *window) settle(nonce string) (found bool) {
	i := slices.IndexFunc(w.says, func(u unconfirmed) bool { return u.nonce == nonce })
	if nonce == "" || i < 0 {
		return false
	}
	w.says = slices.Delete(w.says, i, i+1)
	if i < w.sent {
		w.sent--
	}
	return true
}

// takeLonger takes out the texts of more than limit bytes, of those that are not
// sent on this link.
func (w *window) takeLonger(limit int) (longer []said) {
	kept := w.says[:w.sent]
	for _, u := range w.says[w.sent:] {
		if limit > 0 && len(u.text) > limit {
			longer = append(longer, u.said)
		} else {
			kept = append(kept, u)
		}
	}
	clear(w.says[len(kept):])
	w.says = kept
	return longer
}
