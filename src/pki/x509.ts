// @peculiar/x509 wires its parsers through decorators, which need this polyfill loaded first: import x509 only from here.
import 'reflect-metadata'

export * from '@peculiar/x509'
