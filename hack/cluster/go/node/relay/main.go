// Command relay makes one TCP port of the node reachable from outside its network namespace.
//
// The listening socket is inherited as a file descriptor and belongs to the namespace of whoever
// opened it; the target is dialled in the namespace that relay runs in. So one process joins the
// two, the port is taken before anything else starts, and it is free again when the node ends.
package main

import (
	"flag"
	"io"
	"log"
	"net"
	"os"
	"time"
)

func main() {
	descriptor := flag.Uint("fd", 3, "inherited descriptor of the listening socket")
	target := flag.String("to", "127.0.0.1:6443", "address to dial for each connection")
	flag.Parse()
	listener, err := net.FileListener(os.NewFile(uintptr(*descriptor), "listener"))
	if err != nil {
		log.Fatalf("descriptor %d is not a listening socket: %v", *descriptor, err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatalf("cannot accept: %v", err)
		}
		go join(client.(*net.TCPConn), *target)
	}
}

// join copies both ways until both sides have said that they are done.
func join(client *net.TCPConn, target string) {
	defer client.Close()
	dialled, err := net.DialTimeout("tcp", target, 5*time.Second)
	if err != nil {
		return
	}
	server := dialled.(*net.TCPConn)
	defer server.Close()
	answered := make(chan struct{})
	go func() {
		copyThenClose(client, server)
		close(answered)
	}()
	copyThenClose(server, client)
	<-answered
}

// copyThenClose passes the end of the stream on, so that half-closed connections work.
func copyThenClose(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		to.Close()
		from.Close()
		return
	}
	to.CloseWrite()
}
