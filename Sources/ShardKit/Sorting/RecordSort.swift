/// Sorts in memory, with `spare` for as many records and nothing else: by the top 22 bits of the prefixes' range (two
/// counting passes), then each small segment by comparison. Compiled for each record: it is called from other modules.
@inlinable
func sortRecords<Record: SortableRecord>(
  _ records: UnsafeMutableBufferPointer<Record>, _ spare: UnsafeMutableBufferPointer<Record>
) {
  guard records.count > 256 else { return mergeSort(records[...], spare) }
  var least = UInt64.max
  var greatest = UInt64.min
  for record in records {
    least = min(least, record.prefix)
    greatest = max(greatest, record.prefix)
  }
  let spanBits = 64 - (greatest - least).leadingZeroBitCount
  let shift = max(0, spanBits - 22)
  let other = UnsafeMutableBufferPointer(rebasing: spare[..<records.count])
  countRecords(records, into: other) { Int(truncatingIfNeeded: (($0.prefix - least) >> UInt64(shift)) & 0x7FF) }
  countRecords(other, into: records) { Int(truncatingIfNeeded: ($0.prefix - least) >> UInt64(shift + 11)) }
  var start = 0
  while start < records.count {
    let digits = (records[start].prefix - least) >> UInt64(shift)
    var end = start + 1
    while end < records.count, (records[end].prefix - least) >> UInt64(shift) == digits { end += 1 }
    if end - start > 1 { mergeSort(records[start..<end], spare) }
    start = end
  }
}

/// One stable counting pass by an 11-bit digit.
@inlinable
func countRecords<Record: SortableRecord>(
  _ source: UnsafeMutableBufferPointer<Record>, into target: UnsafeMutableBufferPointer<Record>,
  by digit: (Record) -> Int
) {
  withUnsafeTemporaryAllocation(of: Int.self, capacity: 1 << 11) { places in
    places.update(repeating: 0)
    for record in source { places[digit(record)] += 1 }
    var sum = 0
    for i in places.indices { (places[i], sum) = (sum, sum + places[i]) }
    for record in source {
      let d = digit(record)
      target[places[d]] = record
      places[d] += 1
    }
  }
}

/// Sorts by comparison: parts of 16 by insertion, then merged between the two buffers. The library's sort would allocate.
@inlinable
func mergeSort<Record: SortableRecord>(
  _ segment: Slice<UnsafeMutableBufferPointer<Record>>, _ spare: UnsafeMutableBufferPointer<Record>
) {
  let records = UnsafeMutableBufferPointer(rebasing: segment)
  var width = 16
  for start in stride(from: 0, to: records.count, by: width) {
    insertionSort(records, start, min(start + width, records.count))
  }
  var (source, target) = (records, UnsafeMutableBufferPointer(rebasing: spare[..<records.count]))
  while width < records.count {
    for start in stride(from: 0, to: records.count, by: 2 * width) {
      mergeRecords(
        source, start, min(start + width, records.count), min(start + 2 * width, records.count), into: target)
    }
    swap(&source, &target)
    width *= 2
  }
  if source.baseAddress != records.baseAddress { _ = records.update(fromContentsOf: source) }
}

@inlinable
func insertionSort<Record: SortableRecord>(
  _ records: UnsafeMutableBufferPointer<Record>, _ start: Int, _ end: Int
) {
  for next in stride(from: start + 1, to: end, by: 1) {
    let record = records[next]
    var place = next
    while place > start, record < records[place - 1] {
      records[place] = records[place - 1]
      place -= 1
    }
    records[place] = record
  }
}

@inlinable
func mergeRecords<Record: SortableRecord>(
  _ source: UnsafeMutableBufferPointer<Record>, _ start: Int, _ middle: Int, _ end: Int,
  into target: UnsafeMutableBufferPointer<Record>
) {
  var (left, right) = (start, middle)
  for place in start..<end {
    if left < middle, right == end || !(source[right] < source[left]) {
      target[place] = source[left]
      left += 1
    } else {
      target[place] = source[right]
      right += 1
    }
  }
}
