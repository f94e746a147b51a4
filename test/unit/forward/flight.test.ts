/** How many may wait: in all, for one question, of one client. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ClientQuery } from '../../../src/forward/client-query.ts'
import { type Flight, Flights } from '../../../src/forward/flight.ts'

const ROUTE = { inFlight: 0, maxConcurrent: 10 } as Flight['route']
const queryOf = (client: string) => ({ client }) as ClientQuery

function begin(flights: Flights, key: string, client: string): Flight {
  const flight = { key, route: ROUTE, waiters: [queryOf(client)], isOver: false } as unknown as Flight
  flights.begin(flight)
  return flight
}

/** @returns how many waited */
function answerAll(flights: Flights, { waiters }: Flight): number {
  const answered = waiters.splice(0)
  for (const query of answered) flights.answered(query)
  return answered.length
}

describe('questions in flight', () => {
  it('have as many waiting for one client as it may begin, whether it began or joined', () => {
    const flights = new Flights(10, 3)
    const first = begin(flights, 'first', 'a')
    const second = begin(flights, 'second', 'b')
    assert.equal(flights.join(first, queryOf('a')), undefined)
    assert.equal(flights.join(second, queryOf('a')), undefined)
    assert.equal(flights.join(second, queryOf('a')), 'overClient')
    assert.equal(flights.capFor('a', ROUTE), 'overClient')
    assert.equal(flights.join(first, queryOf('b')), undefined)
    assert.equal(answerAll(flights, first), 3)
    assert.equal(flights.capFor('a', ROUTE), undefined)
    for (let i = 0; i < 2; i++) assert.equal(flights.join(second, queryOf('a')), undefined)
    assert.equal(flights.join(second, queryOf('a')), 'overClient')
    for (const flight of [first, second]) {
      flights.end(flight)
      answerAll(flights, flight)
    }
    for (let i = 0; i < 3; i++) assert.equal(flights.capFor('a', ROUTE), undefined, begin(flights, `${i}`, 'a').key)
    assert.equal(flights.capFor('a', ROUTE), 'overClient')
  })

  it('have so many waiting for each, and for all', () => {
    const flights = new Flights(10, 10_000)
    let waiting = 0
    for (let i = 0; i < 6; i++) {
      const flight = begin(flights, `${i}`, 'a')
      while (flights.join(flight, queryOf('a')) === undefined);
      waiting += flight.waiters.length
      assert.ok(flight.waiters.length <= 2000)
    }
    assert.equal(waiting, 10_001)
  })
})
