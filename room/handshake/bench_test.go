package handshake

import "testing"

func BenchmarkLook(b *testing.B) {
	request := []byte(add("Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n" +
		"Origin: http://chat.example\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"))
	b.ReportAllocs()
	for b.Loop() {
		if r := server.Look(request); r.Verdict != Upgrade {
			b.Fatal(r.Reason)
		}
	}
}
