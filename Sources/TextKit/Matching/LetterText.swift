/// The letters and digits of a text, in the form in which passages are searched: NFKC, in lower case, without white
/// space, punctuation, symbols and marks. Full-width forms, line breaks and other punctuation make no difference.
public struct LetterText: ~Copyable {
  private var text = ComparedText(form: .letters)
  private var part = ComparedText(form: .letters)
  private let folding = FoldingTable.with(.letters)

  public init() {}

  /// The letters of the last text.
  public var letters: UnsafeBufferPointer<UInt32> { text.scalars }

  /// Reads a text; its letters replace those of the text before.
  public mutating func fold(_ utf8: UnsafeBufferPointer<UInt8>) { text.fold(utf8) }

  /// The byte range in the text that each of its letters comes from; letters that one character became, or that
  /// several were composed to, share a range. Slower than `fold`: for texts in which something was found.
  public mutating func places(_ utf8: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
    var places: [Range<Int>] = []
    guard let bytes = utf8.baseAddress else { return places }
    var start = 0
    while start < utf8.count {
      let (scalar, width) = UTF8Scanning.scalar(at: start, in: bytes, end: utf8.count)
      var end = start + width, isAlone = true
      while end < utf8.count {
        let (next, more) = UTF8Scanning.scalar(at: end, in: bytes, end: utf8.count)
        guard NFKC.current.traits[next] & NFKC.joins != 0 else { break }
        end += more
        isAlone = false
      }
      for _ in 0..<letterCount(utf8, start..<end, scalar, isAlone: isAlone) { places.append(start..<end) }
      start = end
    }
    return places
  }

  /// The number of letters of a part between two boundaries of normalization.
  private mutating func letterCount(
    _ utf8: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ first: UInt32, isAlone: Bool
  ) -> Int {
    if isAlone, let count = folding.letterCount(first) { return count }
    part.fold(UnsafeBufferPointer(rebasing: utf8[range]))
    return part.scalars.count
  }
}

extension FoldingTable {
  /// The number of scalars that a scalar becomes whatever its neighbors; nil if the table does not say.
  fileprivate func letterCount(_ scalar: UInt32) -> Int? {
    guard scalar < 0x10000 else { return nil }
    switch basic[Int(scalar)] {
    case 0: return 0
    case 0xFFFF: return expanded[scalar]?.count
    default: return 1
    }
  }
}
