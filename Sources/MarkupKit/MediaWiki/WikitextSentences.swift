import ShardKit

/// Sentences that have a hole.
enum WikitextSentences {
  /// Removes the sentences of `output[start...]` that hold one of the places `holes`, which rise. Returns how many went.
  ///
  /// A sentence ends at `。`, `！` or `？` outside brackets, and at a full stop before a space.
  static func cut(_ output: inout PageBuffer, from start: Int, holes: [Int]) -> Int {
    var kept = start, sentence = start, cut = 0
    var next = holes.startIndex
    while sentence < output.count {
      let (end, isClosed) = self.end(of: sentence, output)
      while next < holes.endIndex, holes[next] < sentence { next += 1 }
      if next < holes.endIndex, holes[next] < end || !isClosed {
        cut += 1
      } else {
        (output.base + kept).update(from: output.base + sentence, count: end - sentence)
        kept += end - sentence
      }
      sentence = end
    }
    output.truncate(to: kept)
    return cut
  }

  /// The index after the sentence that starts at `start`, with the space behind it, and whether a stop ends it.
  private static func end(of start: Int, _ output: borrowing PageBuffer) -> (index: Int, isClosed: Bool) {
    var index = start, depth = 0
    let bytes = output.base, count = output.count
    while index < count {
      switch bytes[index] {
      case UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "?"):
        index += 1
        if index == count || bytes[index] == 0x20 { return (min(index + 1, count), true) }
      case 0xE3 where index + 2 < count && bytes[index + 1] == 0x80:
        let last = bytes[index + 2]
        index += 3
        if last == 0x82, depth == 0 { return (index, true) }  // 。
        if last == 0x8C || last == 0x8E { depth += 1 }  // 「『
        if last == 0x8D || last == 0x8F { depth = max(0, depth - 1) }  // 」』
      case 0xEF where index + 2 < count && bytes[index + 1] == 0xBC:
        let last = bytes[index + 2]
        index += 3
        if last == 0x81 || last == 0x9F, depth == 0 { return (index, true) }  // ！？
        if last == 0x88 { depth += 1 }  // （
        if last == 0x89 { depth = max(0, depth - 1) }  // ）
      default: index += 1
      }
    }
    return (count, false)
  }
}
