// Netdelay joins two network namespaces by a link with a delay: two TUN devices, between which packets wait, and are sent at a rate. It is
// for kernels without netem.
//
//	netdelay NAMESPACE ADDRESS NAMESPACE ADDRESS ONE-WAY-MS MBIT-PER-S
//
// The namespaces are names of `ip netns`. It prints a line when the link is up, and carries packets until it is ended.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

const (
	setns     = 308        // the system call's number on x86-64
	newNet    = 0x40000000 // CLONE_NEWNET
	setInface = 0x400454ca // TUNSETIFF
	tunNoInfo = 0x1001     // IFF_TUN | IFF_NO_PI
	mtu       = 9000
	// A queue as long as this drops packets, as a router's does.
	longest = 400 * time.Millisecond
	// Below this, sleeping is less exact than sending at once.
	soon = 200 * time.Microsecond
)

func check(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "netdelay: %s: %v\n", what, err)
		os.Exit(1)
	}
}

func enter(namespace *os.File) {
	if _, _, errno := syscall.RawSyscall(setns, namespace.Fd(), newNet, 0); errno != 0 {
		check("entering a network namespace", errno)
	}
}

// device makes the end of the link in a namespace.
func device(namespace, address, peer string) *os.File {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", syscall.Gettid()))
	check("opening the own namespace", err)
	defer own.Close()
	other, err := os.Open("/var/run/netns/" + namespace)
	check("opening the namespace "+namespace, err)
	defer other.Close()
	enter(other)
	defer enter(own)
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	check("opening /dev/net/tun", err)
	var request [40]byte
	copy(request[:], "delay0")
	*(*uint16)(unsafe.Pointer(&request[16])) = tunNoInfo
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), setInface, uintptr(unsafe.Pointer(&request[0]))); errno != 0 {
		check("making a TUN device", errno)
	}
	for _, arguments := range [][]string{
		{"address", "add", address, "peer", peer, "dev", "delay0"},
		{"link", "set", "delay0", "mtu", strconv.Itoa(mtu), "txqueuelen", "20000", "up"},
		{"link", "set", "lo", "up"},
	} {
		command := exec.Command("ip", arguments...)
		command.Stderr = os.Stderr
		check("ip", command.Run())
	}
	return os.NewFile(uintptr(fd), namespace)
}

type packet struct {
	bytes []byte
	due   time.Time
}

// carry sends what comes from one end to the other, each packet after the delay, and no faster than the rate.
func carry(from, to *os.File, delay time.Duration, bytesPerSecond float64) {
	packets := make(chan packet, 1<<16)
	go func() {
		for next := range packets {
			if wait := time.Until(next.due); wait > soon {
				time.Sleep(wait)
			}
			to.Write(next.bytes) // a packet that is lost is sent again by TCP
		}
	}()
	var free time.Time
	for {
		buffer := make([]byte, mtu+100)
		n, err := from.Read(buffer)
		check("reading packets", err)
		now := time.Now()
		if free.Before(now) {
			free = now
		}
		if free.Sub(now) > longest {
			continue
		}
		free = free.Add(time.Duration(float64(n) / bytesPerSecond * float64(time.Second)))
		packets <- packet{buffer[:n], free.Add(delay)}
	}
}

func main() {
	if len(os.Args) != 7 {
		fmt.Fprintln(os.Stderr, "netdelay: NAMESPACE ADDRESS NAMESPACE ADDRESS ONE-WAY-MS MBIT-PER-S")
		os.Exit(2)
	}
	milliseconds, err := strconv.ParseFloat(os.Args[5], 64)
	check("the delay", err)
	megabits, err := strconv.ParseFloat(os.Args[6], 64)
	check("the rate", err)
	one := device(os.Args[1], os.Args[2], os.Args[4])
	other := device(os.Args[3], os.Args[4], os.Args[2])
	delay, rate := time.Duration(milliseconds*float64(time.Millisecond)), megabits*1e6/8
	fmt.Println("up")
	go carry(one, other, delay, rate)
	carry(other, one, delay, rate)
}
