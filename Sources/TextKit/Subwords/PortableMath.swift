/// Logarithms and powers by additions, multiplications and divisions alone, so that they are the same on every machine.
enum PortableMath {
  private static let ln2High = 0x1.62e42fefa38p-1
  private static let ln2Low = 0x1.ef35793c7673p-45

  static func exp(_ x: Double) -> Double {
    guard x > -700 else { return 0 }
    let n = (x / 0.693147180559945309).rounded()
    let r = (x - n * ln2High) - n * ln2Low
    var term = 1.0, sum = 1.0
    for k in 1...18 {
      term = term * r / Double(k)
      sum += term
    }
    return Double(sign: .plus, exponent: Int(n), significand: 1) * sum
  }

  /// Of a positive, finite number.
  static func log(_ x: Double) -> Double {
    var exponent = Double(x.exponent), significand = x.significand
    if significand > 1.4142135623730951 {
      significand /= 2
      exponent += 1
    }
    let f = (significand - 1) / (significand + 1)
    let square = f * f
    var power = f, sum = 0.0
    for k in 0..<16 {
      sum += power / Double(2 * k + 1)
      power *= square
    }
    return exponent * ln2High + (2 * sum + exponent * ln2Low)
  }

  /// The derivative of the logarithm of the gamma function, of a positive number: its asymptotic series from 7 on.
  static func digamma(_ x: Double) -> Double {
    var x = x, result = 0.0
    while x < 7 {
      result -= 1 / x
      x += 1
    }
    let inverse = 1 / (x - 0.5)
    let square = inverse * inverse
    let fourth = square * square
    result += log(x - 0.5) + square / 24 - 7 * fourth / 960 + 31 * fourth * square / 8064
    return result - 127 * fourth * fourth / 30720
  }
}
