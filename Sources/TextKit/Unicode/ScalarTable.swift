import Glibc

/// A value for every Unicode scalar (and for `UTF8Scanning.malformed`), in pages of 256; equal pages are stored once.
///
/// Created once per process and never freed, so that copies are free and reads need no reference count. Built with
/// library calls on complete pages, since a loop over a million elements takes seconds in a debug build.
public struct ScalarTable<Value: BitwiseCopyable & Equatable>: @unchecked Sendable {
  private let pages: UnsafePointer<UInt16>
  private let values: UnsafePointer<Value>

  /// Scalars not in `ranges` have the value `rest`; a later range overrides an earlier one.
  init(rest: Value, _ ranges: [(range: ClosedRange<UInt32>, value: Value)]) {
    let size = Int(UTF8Scanning.malformed) + 256
    var flat = [Value](repeating: rest, count: size)
    flat.withUnsafeMutableBufferPointer { flat in
      for (range, value) in ranges {
        let places = Int(range.lowerBound)...Int(range.upperBound)
        UnsafeMutableBufferPointer(rebasing: flat[places]).update(repeating: value)
      }
    }
    self.init(flat: flat)
  }

  /// One value for each of the `0x110100` elements.
  init(flat: [Value]) {
    let pages = UnsafeMutablePointer<UInt16>.allocate(capacity: flat.count / 256)
    let pageBytes = 256 * MemoryLayout<Value>.stride
    let values = flat.withUnsafeBytes { flat in
      let start = flat.baseAddress!
      var distinct: [Int] = []
      for page in 0..<flat.count / pageBytes {
        // Neighboring pages are the most likely to be equal.
        let found = distinct.lastIndex { memcmp(start + $0 * pageBytes, start + page * pageBytes, pageBytes) == 0 }
        if found == nil { distinct.append(page) }
        pages[page] = UInt16(found ?? distinct.count - 1)
      }
      let values = UnsafeMutablePointer<Value>.allocate(capacity: distinct.count * 256)
      for (i, page) in distinct.enumerated() { memcpy(values + i * 256, start + page * pageBytes, pageBytes) }
      return values
    }
    self.pages = UnsafePointer(pages)
    self.values = UnsafePointer(values)
  }

  @inline(__always)
  public subscript(scalar: UInt32) -> Value {
    values[Int(pages[Int(scalar >> 8)]) &<< 8 | Int(scalar & 0xFF)]
  }
}

extension UnicodeData {
  /// A word of the tables: `first-last=a+b+c`, all in hexadecimal.
  struct Word {
    var first: UInt32
    var last: UInt32
    var values: [UInt32]
    var range: ClosedRange<UInt32> { first...last }
  }

  static func words(_ table: StaticString) -> [Word] {
    var words: [Word] = []
    var numbers: [UInt32] = []
    var number: UInt32 = 0
    var isRange = false
    func finish() {
      guard !numbers.isEmpty else { return }
      numbers.append(number)
      let values = Array(numbers.dropFirst(isRange ? 2 : 1))
      words.append(Word(first: numbers[0], last: isRange ? numbers[1] : numbers[0], values: values))
    }
    for byte in UnsafeBufferPointer(start: table.utf8Start, count: table.utf8CodeUnitCount) {
      switch byte {
      case 0x30...0x39: number = number << 4 | UInt32(byte - 0x30)
      case 0x41...0x46: number = number << 4 | UInt32(byte - 0x37)
      case 0x20, 0x0A:
        finish()
        (numbers, number, isRange) = ([], 0, false)
      default:
        if byte == 0x2D { isRange = true }
        numbers.append(number)
        number = 0
      }
    }
    finish()
    return words
  }
}
