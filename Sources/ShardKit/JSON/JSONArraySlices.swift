/// The elements of a JSON array as slices, without parsing them: for long arrays of records.
///
/// Only brackets and strings are scanned; errors inside an element are found when it is parsed. Linear, no recursion.
public struct JSONArraySlices: Sequence, IteratorProtocol {
  private let array: UnsafeRawBufferPointer
  private var at = 0

  /// - Parameter array: an array as written, such as the value of a `JSONObjectReader.Field` of kind `array`.
  public init(_ array: UnsafeRawBufferPointer) { self.init(array, opening: UInt8(ascii: "[")) }

  /// The members of an object, each with its key.
  init(members object: UnsafeRawBufferPointer) { self.init(object, opening: UInt8(ascii: "{")) }

  private init(_ array: UnsafeRawBufferPointer, opening: UInt8) {
    self.array = array
    at = skippingSpace(from: 0)
    if at < array.count && array[at] == opening { at += 1 } else { at = array.count }
  }

  public mutating func next() -> UnsafeRawBufferPointer? {
    at = skippingSpace(from: at)
    if at < array.count && array[at] == UInt8(ascii: ",") { at = skippingSpace(from: at + 1) }
    guard at < array.count, array[at] != UInt8(ascii: "]"), array[at] != UInt8(ascii: "}") else { return nil }
    let start = at
    var depth = 0
    while at < array.count {
      switch array[at] {
      case UInt8(ascii: "\""): skipString()
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: ","): if depth == 0 { return slice(from: start) }
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return slice(from: start) }
        depth -= 1
      default: break
      }
      at += 1
    }
    return slice(from: start)
  }

  /// Leaves `at` on the closing quote.
  private mutating func skipString() {
    at += 1
    while at < array.count && array[at] != UInt8(ascii: "\"") { at += array[at] == UInt8(ascii: "\\") ? 2 : 1 }
  }

  private func slice(from start: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: array[start..<Swift.min(at, array.count)])
  }

  private func skippingSpace(from offset: Int) -> Int {
    var at = offset
    while at < array.count, [0x20, 0x0A, 0x0D, 0x09].contains(array[at]) { at += 1 }
    return at
  }
}
