package load

import "strconv"

// Rooms are those that a fleet's clients are spread over, evenly: Count of them,
// with numbers from First on. The zero value is one room, that of the URL itself.
type Rooms struct {
	First, Count int
	// Clients is how many there will be at last, if those of a room have
	// successive numbers, so that rooms fill one after the other; 0: clients
	// take turns.
	Clients int
}

// MaxRooms is how many rooms, and how many senders of one, a message can tell
// apart.
const MaxRooms = 1 << 16

// Len is how many rooms there are.
func (r Rooms) Len() int { return max(r.Count, 1) }

// of is the number of a client's room.
func (r Rooms) of(client int) int {
	if r.Clients > 0 {
		return r.First + client*r.Len()/r.Clients
	}
	return r.First + client%r.Len()
}

// Share is how many of n that take turns are in the i-th room.
func (r Rooms) Share(i, n int) int {
	share := n / r.Len()
	if i < n%r.Len() {
		share++
	}
	return share
}

// name is what a room is called, behind the URL's path; nothing if it is the
// URL's own.
func (r Rooms) name(number int) string {
	if r.Count == 0 {
		return ""
	}
	return "r" + strconv.Itoa(number)
}

// Sent is how many messages were sent, or should have come: by room, from First
// on, and by sender in the room.
type Sent [][]uint64

// room is that of the i-th room; none are known to nobody.
func (s Sent) room(i int) []uint64 {
	if i < len(s) {
		return s[i]
	}
	return nil
}

// Deliveries is how many it takes to bring them to so many clients, who take
// turns.
func (s Sent) Deliveries(rooms Rooms, clients int) (n uint64) {
	for i, senders := range s {
		for _, sent := range senders {
			n += sent * uint64(rooms.Share(i, clients))
		}
	}
	return n
}
