// Telephone numbers.
extension CleaningPass {
  /// At a digit or a plus sign.
  mutating func number(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int {
    guard let number = PhoneNumber(in: text, at: i) else { return digitsEnd(text, i) }
    flush(text, number.range.lowerBound)
    if rules.phones == .mask {
      mask(text, number)
    } else {
      counts[.phones] += text[number.range].count { !$0.isContinuation }
    }
    flush(text, number.range.lowerBound, resume: number.range.upperBound)
    return number.range.upperBound
  }

  /// Writes the number with its last four digits replaced by X in the digits' width.
  private mutating func mask(_ text: UnsafeBufferPointer<UInt8>, _ number: PhoneNumber) {
    var seen = 0, i = number.range.lowerBound
    while i < number.range.upperBound {
      let unit = PhoneUnit(text, i)
      seen += unit.kind == .digit ? 1 : 0
      if unit.kind == .digit, seen > number.digits - 4 {
        out.append(contentsOf: unit.width == 1 ? "X".utf8 : "Ｘ".utf8)
      } else {
        out.append(contentsOf: text[i..<i + unit.width])
      }
      i += unit.width
    }
    counts[.phones] += 4
  }

  private func digitsEnd(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int {
    var end = i + PhoneUnit(text, i).width
    while case let unit = PhoneUnit(text, end), unit.kind == .digit { end += unit.width }
    return end
  }
}
