// x
module example.org/m // y

go 1.24.0

toolchain go1.26.8

require example.org/a v1.0.0 // indirect

require (
	example.org/b v2.0.0+incompatible
	// no
)

exclude example.org/x v1.0.0

replace example.org/a v1.0.0 => ../a

replace (
	example.org/b => example.org/c v3.0.0
	"q" => `./d e`
)

retract [v1.0.0, v1.1.0]

tool example.org/t
