/// `{{lc:…}}`, `{{uc:…}}`, `{{ucfirst:…}}`, `{{lcfirst:…}}`.
enum WikitextCase: Sendable {
  case lower, upper, lowerFirst, upperFirst

  /// The other form of a scalar: Latin, Greek, Cyrillic and wide Latin letters, whose two forms are equally long.
  func changed(_ scalar: UInt32) -> UInt32 {
    self == .lower || self == .lowerFirst ? Self.lower(scalar) : Self.upper(scalar)
  }

  var isFirstOnly: Bool { self == .lowerFirst || self == .upperFirst }

  private static func lower(_ scalar: UInt32) -> UInt32 {
    switch scalar {
    case 0x41...0x5A, 0xC0...0xD6, 0xD8...0xDE, 0x391...0x3A1, 0x3A3...0x3AB, 0x410...0x42F, 0xFF21...0xFF3A:
      scalar + 0x20
    case 0x400...0x40F: scalar + 0x50
    case 0x178: 0xFF
    case _ where isPaired(scalar): scalar & 1 == firstBit(scalar) ? scalar + 1 : scalar
    default: scalar
    }
  }

  private static func upper(_ scalar: UInt32) -> UInt32 {
    switch scalar {
    case 0x61...0x7A, 0xE0...0xF6, 0xF8...0xFE, 0x3B1...0x3C1, 0x3C3...0x3CB, 0x430...0x44F, 0xFF41...0xFF5A:
      scalar - 0x20
    case 0x450...0x45F: scalar - 0x50
    case 0x3C2: 0x3A3
    case 0xFF: 0x178
    case _ where isPaired(scalar): scalar & 1 == firstBit(scalar) ? scalar : scalar - 1
    default: scalar
    }
  }

  /// Latin Extended-A and the Cyrillic letters of other languages: a capital and its small letter side by side.
  private static func isPaired(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x100...0x12F, 0x132...0x137, 0x139...0x148, 0x14A...0x177, 0x179...0x17E, 0x460...0x481, 0x48A...0x4BF: true
    default: false
    }
  }

  /// The lowest bit of capitals.
  private static func firstBit(_ scalar: UInt32) -> UInt32 {
    switch scalar {
    case 0x139...0x148, 0x179...0x17E: 1
    default: 0
    }
  }
}
