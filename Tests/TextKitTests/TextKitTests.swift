// TextKitTests
