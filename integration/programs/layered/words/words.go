package words

// Text is what the program prints.
const Text = "first"
