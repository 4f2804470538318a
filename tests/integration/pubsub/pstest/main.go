// Serves pstest, the fake Pub/Sub of Google's Go client, on a free loopback port, and prints the address.
package main

import (
	"fmt"
	"log"
	"net"

	"cloud.google.com/go/pubsub/pstest"
	pb "google.golang.org/genproto/googleapis/pubsub/v1"
	"google.golang.org/grpc"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	// pstest's own listener takes 4 MB a request; Pub/Sub takes 10.
	server := grpc.NewServer(grpc.MaxRecvMsgSize(32 << 20))
	fake := pstest.NewServer()
	pb.RegisterPublisherServer(server, &fake.GServer)
	pb.RegisterSubscriberServer(server, &fake.GServer)
	fmt.Println(listener.Addr())
	log.Fatal(server.Serve(listener))
}
