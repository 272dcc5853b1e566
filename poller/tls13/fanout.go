package tls13

import "chatd/poller"

// Fanout is Send of the same p by many Writers, each to the socket of fds that has its
// number; of each the result is that of Send. What is sealed for several of them goes to
// their sockets with one [poller.Sender.Scatter]. At most [poller.FanoutMax] are asked.
//
// Whose socket failed sends nothing any more: it may be unknown what the socket took, and
// then the number of that record must not be used for anything else.
func Fanout(on *poller.Worker, c *Ciphers, fds []int32, writer func(int) *Writer, p []byte, results []int32) {
	most := c.most()
	records := (len(p) + most - 1) / most
	size := len(p) + records*overhead
	for i := 0; i < len(fds); {
		first, sealed := i, 0
		for ; i < len(fds) && sealed+size <= len(on.Scratch); i++ {
			w := writer(i)
			if !w.free(records) {
				break
			}
			sealed += w.fill(w.cipher(c), on.Scratch[sealed:sealed+size], p, most)
		}
		if i == first {
			results[i] = int32(writer(i).Send(on, c, fds[i], p))
			i++
			continue
		}
		on.Scatter(fds[first:i], on.Scratch[:sealed], results[first:i])
		for k := first; k < i; k++ {
			w := writer(k)
			if sent := int(results[k]); sent >= 0 {
				results[k] = int32(w.took(w.busy, on.Scratch[(k-first)*size:][:size], sent, p))
			} else if sent != poller.WouldBlock {
				w.owes = ended
			}
		}
	}
}

// free reports whether so many records of data are what w sends next.
func (w *Writer) free(records int) bool {
	return !w.Pending() && w.owes&ended == 0 && w.seq+uint64(records) <= updateAt
}
