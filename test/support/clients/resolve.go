// Go's own resolver, not the C library's: `4 NAME`, `6 NAME`, `any NAME`, `srv NAME` or `ptr ADDRESS`. A line for each record; no line when
// there is none; status 1 with the error's words when nobody could say.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
)

func main() {
	if len(os.Args) != 3 {
		os.Exit(2)
	}
	lines, err := resolve(os.Args[1], os.Args[2])
	var dnsError *net.DNSError
	if errors.As(err, &dnsError) && dnsError.IsNotFound {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, line := range lines {
		fmt.Println(line)
	}
}

func resolve(kind, name string) (lines []string, err error) {
	resolver := &net.Resolver{PreferGo: true}
	ctx := context.Background()
	switch kind {
	case "ptr":
		return resolver.LookupAddr(ctx, name)
	case "srv":
		_, records, err := resolver.LookupSRV(ctx, "", "", name)
		for _, record := range records {
			lines = append(lines, fmt.Sprintf("%d %s", record.Port, record.Target))
		}
		return lines, err
	}
	network := map[string]string{"4": "ip4", "6": "ip6", "any": "ip"}[kind]
	addresses, err := resolver.LookupIP(ctx, network, name)
	for _, address := range addresses {
		lines = append(lines, address.String())
	}
	return lines, err
}
