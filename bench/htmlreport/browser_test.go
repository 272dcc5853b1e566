package htmlreport

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// evaluate evaluates a JavaScript expression.
func evaluate[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The report has to show its plots in a browser, and to need nothing but itself.
func TestPlotsAreDrawnInABrowserWithoutNetwork(t *testing.T) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("there is no Chromium: make test installs it")
	}
	dir := t.TempDir()
	if err := Write(dir, synthetic()); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1200, 1600))
	for _, flag := range []string{"disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Navigate("file://"+filepath.Join(dir, "index.html"))); err != nil {
		t.Fatal(err)
	}
	want := len(pictures(synthetic())) + len(growths(synthetic()))
	plots := evaluate[int](t, ctx, `document.querySelectorAll('svg').length`)
	drawn := evaluate[int](t, ctx, `[...document.querySelectorAll('svg')].filter(s => {
		const b = s.getBoundingClientRect();
		return b.width > 300 && b.height > 150 && s.querySelectorAll('path, rect, line, polyline').length > 10;
	}).length`)
	if plots != want || drawn != want {
		t.Errorf("%d plots, %d of them drawn, want %d", plots, drawn, want)
	}
	if n := evaluate[int](t, ctx, `performance.getEntriesByType('resource').length`); n != 0 {
		t.Errorf("the report asks for %d other files", n)
	}
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if len(shot) < 50<<10 {
		t.Errorf("a screenshot of %d bytes is as good as empty", len(shot))
	}
	if to := os.Getenv("CHATD_REPORT_SCREENSHOT"); to != "" {
		if err := os.WriteFile(to, shot, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
