//go:build !linux

package linuxonly

var _ int = "chatd runs on Linux only, as it is built on epoll: set GOOS=linux"
