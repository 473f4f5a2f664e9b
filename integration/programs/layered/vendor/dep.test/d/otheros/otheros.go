//go:build windows

package otheros
