package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"
)

// TestScreenshot takes the pictures of the page for the README: a desk's window in
// light colours beside a phone in dark ones, and beside that, who is here.
func TestScreenshot(t *testing.T) {
	name := os.Getenv("CHATD_SCREENSHOT")
	if name == "" {
		t.Skip("CHATD_SCREENSHOT names no file")
	}
	browser, chatd := startBrowser(t), startChatd(t)
	net := newNetwork(t, chatd)
	people := make(map[string]*tab)
	for _, name := range []string{"Ben", "Cleo", "Ana"} {
		addr := chatd.Addr
		if name == "Cleo" {
			addr = net.Addr
		}
		b := openURL(t, browser, "http://"+addr+"/", "open")
		b.offline = true
		b.call(name)
		people[name] = b
	}
	desk, phone := people["Ana"], people["Cleo"]
	desk.emulate("light", 1000, 680, chromedp.EmulateScale(2))
	phone.emulate("dark", 360, 680, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch)
	desk.join("releases")
	desk.join("trains")
	desk.do(`rooms.querySelector('.open').click()`)
	desk.waitForRoom("lobby")
	say := func(name, text string) {
		t.Helper()
		people[name].do(fmt.Sprintf("input.value = %q", text))
		people[name].say("")
		desk.waitForLast(text)
	}
	say("Ana", "morning! did the release go out?")
	say("Ben", "it did, twenty minutes ago, and nobody noticed")
	say("Ben", "the notes: https://example.org/releases/4.2")
	phone.waitForLast("the notes: https://example.org/releases/4.2")
	net.become(swallows, swallows) // a tunnel
	net.reset()
	phone.waitForState("retrying")
	say("Ana", "the best kind. how many are in here now?")
	say("Ben", "everybody who is awake, and Cleo")
	net.become(passes, passes)
	phone.do(`now.click()`)
	phone.waitForLast("everybody who is awake, and Cleo")
	phone.do(`lines.find((line) => line.matches('.note')).remove()`)
	say("Cleo", "hello from the train!\ntwo tunnels so far, and I missed nothing of what you said")
	say("Ana", "welcome back. we kept your seat")
	say("Cleo", "<b>thank you</b>")
	chatd.dial(t).send(websocket.MessageText, "build 4182 passed in 3 m 12 s")
	chatd.dialRoom(t, "releases").flood("4.2 on host", 3)
	desk.waitForLast("build 4182 passed in 3 m 12 s")
	phone.waitForLast("build 4182 passed in 3 m 12 s")
	desk.wait(`document.title.startsWith("(3)") && members.textContent === "4 here"`)
	phone.wait(`members.textContent === "4 here"`)
	save(t, name, desk.picture(), phone.picture())

	desk.do(`members.click()`)
	desk.wait(`who.querySelectorAll('li').length === 3`)
	phone.do(`menu.click()`)
	desk.emulate("dark", 1000, 680, chromedp.EmulateScale(2))
	phone.emulate("light", 360, 680, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch)
	save(t, filepath.Join(filepath.Dir(name), "who.png"), desk.picture(), phone.picture())
}

func (b *tab) picture() image.Image {
	b.t.Helper()
	picture, err := png.Decode(bytes.NewReader(run(b, chromedp.CaptureScreenshot())))
	if err != nil {
		b.t.Fatal(err)
	}
	return picture
}

// save writes two pictures beside each other, in as many colours as a small file has.
func save(t *testing.T, name string, left, right image.Image) {
	t.Helper()
	const gap = 32
	size := image.Rect(0, 0, left.Bounds().Dx()+gap+right.Bounds().Dx(), left.Bounds().Dy())
	both := image.NewNRGBA(size)
	draw.Draw(both, left.Bounds(), left, image.Point{}, draw.Src)
	draw.Draw(both, size.Add(image.Pt(left.Bounds().Dx()+gap, 0)), right, image.Point{}, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, paletted(both)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// paletted is a picture in the 256 colours that it has most of, and for the others
// those that are next.
func paletted(picture *image.NRGBA) image.Image {
	counts := make(map[color.NRGBA]int)
	for i := 0; i < len(picture.Pix); i += 4 {
		p := picture.Pix[i : i+4]
		counts[color.NRGBA{p[0], p[1], p[2], p[3]}]++
	}
	colours := slices.SortedFunc(maps.Keys(counts), func(a, b color.NRGBA) int { return counts[b] - counts[a] })
	palette := make(color.Palette, 0, 256)
	for _, c := range colours[:min(256, len(colours))] {
		palette = append(palette, c)
	}
	to := image.NewPaletted(picture.Bounds(), palette)
	nearest := make(map[color.NRGBA]uint8)
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			c := picture.NRGBAAt(x, y)
			i, ok := nearest[c]
			if !ok {
				i = uint8(palette.Index(c))
				nearest[c] = i
			}
			to.SetColorIndex(x, y, i)
		}
	}
	return to
}
