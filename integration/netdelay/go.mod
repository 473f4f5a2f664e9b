module nix-gocacheprog.invalid/netdelay

go 1.21
