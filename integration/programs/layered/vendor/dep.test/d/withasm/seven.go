package withasm

// Seven is seven.
func Seven() int
