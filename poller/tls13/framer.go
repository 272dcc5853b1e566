package tls13

// framer follows the records of a stream, so that a reader of it gets exactly one at a
// time: crypto/tls would take what has come, and with it what follows the handshake.
type framer struct {
	head [headerSize]byte
	have int // bytes of head
	left int // bytes of the body that are to come
}

// want is how many bytes may be taken now.
func (f *framer) want() int {
	if f.have < headerSize {
		return headerSize - f.have
	}
	return f.left
}

// took notes that p was taken, and returns what of it belongs to the body of a record.
func (f *framer) took(p []byte) (body []byte) {
	if f.have < headerSize {
		f.have += copy(f.head[f.have:], p)
		if f.have == headerSize {
			f.left = recordSize(f.head[:]) - headerSize
		}
	} else {
		f.left -= len(p)
		body = p
	}
	if f.have == headerSize && f.left == 0 {
		f.have = 0
	}
	return body
}

// hello collects what a ClientHello begins with: its head, a version, and the random.
type hello struct {
	bytes [4 + 2 + randomSize]byte
	have  int
}

// add takes a piece of the first handshake message, and reports whether the random is
// there with it.
func (h *hello) add(p []byte) bool {
	if h.have == len(h.bytes) {
		return false
	}
	h.have += copy(h.bytes[h.have:], p)
	return h.have == len(h.bytes)
}

func (h *hello) random() [randomSize]byte { return [randomSize]byte(h.bytes[4+2:]) }
