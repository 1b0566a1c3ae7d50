import Glibc

/// A decimal integer without sign; nil for anything else, and for values beyond `UInt64`.
public func parseUnsigned(_ digits: UnsafeRawBufferPointer) -> UInt64? {
  guard !digits.isEmpty, digits.count <= 20 else { return nil }
  var value: UInt64 = 0
  for byte in digits {
    let digit = UInt64(byte &- 48)
    guard digit < 10 else { return nil }
    let (product, overflow) = value.multipliedReportingOverflow(by: 10)
    let (sum, carry) = product.addingReportingOverflow(digit)
    guard !overflow, !carry else { return nil }
    value = sum
  }
  return value
}

/// A finite decimal number such as `0.946919`, `-3` or `1e-4`, correctly rounded; nil for anything else.
///
/// Up to 15 digits need one exact division or product (W. Clinger, *How to Read Floating Point Numbers Accurately*);
/// the others go through `strtod`.
public func parseDecimal(_ text: UnsafeRawBufferPointer) -> Double? {
  var at = 0
  let isNegative = text.first == UInt8(ascii: "-")
  if isNegative || text.first == UInt8(ascii: "+") { at = 1 }
  var digits: UInt64 = 0
  var digitCount = 0
  var fraction = 0
  var sawPoint = false
  while at < text.count {
    let byte = text[at]
    if byte >= 48 && byte <= 57 {
      digits = digits &* 10 &+ UInt64(byte - 48)
      digitCount += 1
      if sawPoint { fraction += 1 }
    } else if byte == UInt8(ascii: ".") && !sawPoint {
      sawPoint = true
    } else {
      break
    }
    at += 1
  }
  guard digitCount > 0 else { return nil }
  guard at == text.count, digitCount <= 15 else { return parseLong(text) }
  let value = Double(digits) / powersOfTen[fraction]
  return isNegative ? -value : value
}

private let powersOfTen: [Double] = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
]

private func parseLong(_ text: UnsafeRawBufferPointer) -> Double? {
  let allowed = text.allSatisfy { (48...57).contains($0) || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains($0) }
  guard allowed, text.count < 400 else { return nil }
  return withUnsafeTemporaryAllocation(of: CChar.self, capacity: text.count + 1) { copy in
    for (i, byte) in text.enumerated() { copy[i] = CChar(truncatingIfNeeded: byte) }
    copy[text.count] = 0
    var end: UnsafeMutablePointer<CChar>?
    let value = strtod(copy.baseAddress!, &end)
    return end == copy.baseAddress! + text.count && value.isFinite ? value : nil
  }
}

/// A number with exactly `digits` decimals; a value that is not finite, or too large for that, is formatted as Swift
/// writes it.
public func fixed(_ value: Double, _ digits: Int) -> String {
  guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
  let scale = pow(10, Double(digits))
  let scaled = Int((abs(value) * scale).rounded())
  let sign = value < 0 && scaled > 0 ? "-" : ""
  guard digits > 0 else { return "\(sign)\(scaled)" }
  return "\(sign)\(scaled / Int(scale)).\(padded(scaled % Int(scale), digits))"
}

/// So many decimals at most, without zeros at the end.
public func trimmed(_ value: Double, _ decimals: Int) -> String {
  let scale = pow(10, Double(decimals))
  let scaled = (abs(value) * scale).rounded()
  guard scaled < 9e15 else { return "\(value)" }
  let whole = Int(scaled) / Int(scale)
  var fraction = padded(Int(scaled) % Int(scale), decimals)
  while fraction.hasSuffix("0") { fraction.removeLast() }
  let sign = value < 0 && scaled > 0 ? "-" : ""
  return fraction.isEmpty || decimals == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(fraction)"
}

/// A number with zeros before it, to so many digits at least.
public func padded(_ number: some BinaryInteger, _ count: Int, radix: Int = 10, uppercase: Bool = false) -> String {
  let digits = String(number, radix: radix, uppercase: uppercase)
  return String(repeating: "0", count: max(0, count - digits.utf8.count)) + digits
}

/// `34 %`, of 0.34.
public func percent(_ fraction: Double, _ digits: Int = 0) -> String { fixed(fraction * 100, digits) + " %" }

/// Rounded to so many digits behind the point, and then as Swift writes it.
public func rounded(_ value: Double, _ digits: Int) -> String {
  guard value.isFinite else { return "\(value)" }
  let scale = pow(10, Double(digits))
  return "\((value * scale).rounded() / scale)"
}

/// `1,234,567`
public func grouped(_ number: Int) -> String {
  let digits = Array(String(number.magnitude))
  var out = number < 0 ? "-" : ""
  for (place, digit) in digits.enumerated() {
    if place > 0, (digits.count - place) % 3 == 0 { out.append(",") }
    out.append(digit)
  }
  return out
}

/// An estimated count as an integer: at least 0, at most 2^60, so that sums of a few stay integers. 0 for what is no number.
public func boundedCount(_ value: Double) -> Int {
  guard value > 0 else { return 0 }
  return value < 0x1p60 ? Int(value) : 1 << 60
}
