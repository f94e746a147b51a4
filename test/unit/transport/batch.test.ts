import { testDatagramTransport } from '../../support/datagram-battery.ts'

testDatagramTransport('batch')
